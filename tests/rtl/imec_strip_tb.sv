// imec_strip as a stream: { d, write_addr, addr, we } in, q out.
module imec_strip_tb #(
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	bit  DUAL_PORT,
	bit  PARTED = 0,
	parameter     RAM_STYLE = "auto",
	int unsigned  STEPS = 1,
	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH+2*BITS+1-1:0]  in0_V_TDATA,

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

	imec_strip #(.DEPTH(DEPTH), .WIDTH(WIDTH), .DUAL_PORT(DUAL_PORT), .PARTED(PARTED), .RAM_STYLE(RAM_STYLE), .STEPS(STEPS)) dut(
		.clk(ap_clk), .en,
		.addr(in0_V_TDATA[1 +: BITS]), .write_addr(in0_V_TDATA[1+BITS +: BITS]),
		.we(in0_V_TVALID && in0_V_TDATA[0]), .d(in0_V_TDATA[1+2*BITS +: WIDTH]),
		.q(out0_V_TDATA)
	);

endmodule : imec_strip_tb
