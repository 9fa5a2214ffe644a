// imec_counter as a stream: { clear, en } in, { last, left } before that step out.
module imec_counter_tb #(
	int unsigned  N,
	localparam int unsigned  BITS = N > 1? $clog2(N) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [2-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [BITS+1-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	uwire  move = in0_V_TVALID && in0_V_TREADY;
	imec_counter #(.N(N)) dut(
		.clk(ap_clk), .rst(!ap_rst_n || (move && in0_V_TDATA[1])), .en(move && in0_V_TDATA[0]),
		.left(out0_V_TDATA[0 +: BITS]), .last(out0_V_TDATA[BITS])
	);

endmodule : imec_counter_tb
