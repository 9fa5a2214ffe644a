// imec_pairs as a stream: { w, a, last, first } in, acc out after a last word.
module imec_pairs_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  W_SIGNED,
	int unsigned  ACC_BITS,
	logic [ACC_BITS-1:0]  START,
	int unsigned  STEPS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [A_BITS+5:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [ACC_BITS-1:0]  out0_V_TDATA
);
	logic [STEPS:0]  Vld = 0;	// one more than the steps, of which there may be none
	logic  OVld = 0;
	uwire  en = !OVld || out0_V_TREADY;
	uwire [STEPS:0]  vlds = (STEPS+1)'({ Vld, in0_V_TVALID });
	uwire  vld = vlds[STEPS];
	uwire  first, last;
	imec_delay #(.WIDTH(2), .STEPS(STEPS)) along(.clk(ap_clk), .en, .d(in0_V_TDATA[1:0]), .q({ last, first }));
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  { Vld, OVld } <= '0;
		else if(en) begin
			Vld  <= vlds;
			OVld <= vld && last;
		end
	end
	assign	in0_V_TREADY = en;
	assign	out0_V_TVALID = OVld;

	imec_pairs #(
		.A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .W_SIGNED(W_SIGNED), .ACC_BITS(ACC_BITS), .START(START), .STEPS(STEPS),
		.PRIMITIVES(PRIMITIVES)
	) dut(
		.clk(ap_clk), .en, .a(in0_V_TDATA[2 +: A_BITS]), .w(in0_V_TDATA[2+A_BITS +: 4]), .vld, .first, .acc(out0_V_TDATA)
	);

endmodule : imec_pairs_tb
