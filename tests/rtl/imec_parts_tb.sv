// imec_parts as a stream: { d, addr, we } in, q out.
module imec_parts_tb #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	parameter     RAM_STYLE = "auto",
	int unsigned  STEPS = 1,
	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH+BITS+1-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	logic [STEPS-1:0]  Vld = 0;
	uwire  en = !Vld[STEPS-1] || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= STEPS'({ Vld, in0_V_TVALID });
	end
	assign	out0_V_TVALID = Vld[STEPS-1];
	assign	in0_V_TREADY = en;

	uwire  we;
	uwire [WIDTH-1:0]  d;
	imec_delay #(.WIDTH(1+WIDTH), .STEPS(STEPS-1)) late(
		.clk(ap_clk), .en, .d({ in0_V_TVALID && in0_V_TDATA[0], in0_V_TDATA[1+BITS +: WIDTH] }), .q({ we, d })
	);
	imec_parts #(.DEPTH(DEPTH), .WIDTH(WIDTH), .RAM_STYLE(RAM_STYLE), .STEPS(STEPS)) dut(
		.clk(ap_clk), .en, .addr(in0_V_TDATA[1 +: BITS]), .we, .d, .q(out0_V_TDATA)
	);

endmodule : imec_parts_tb
