// imec_pad is a stream already, except that padding is valid during reset.
module imec_pad_tb #(
	int unsigned  WIDTH,
	int unsigned  FIRST,
	int unsigned  RUN,
	int unsigned  RUNS,
	int unsigned  GAP,
	int unsigned  BETWEEN
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	logic  Started = 0;
	uwire  ovld;
	always_ff @(posedge ap_clk)  Started <= ap_rst_n;
	assign	out0_V_TVALID = ovld && Started;
	imec_pad #(
		.WIDTH(WIDTH), .FIRST(FIRST), .RUN(RUN), .RUNS(RUNS), .GAP(GAP), .BETWEEN(BETWEEN)
	) dut(
		.clk(ap_clk), .rst(!ap_rst_n),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .idat(in0_V_TDATA),
		.ovld, .ordy(out0_V_TREADY && Started), .odat(out0_V_TDATA)
	);

endmodule : imec_pad_tb
