// imec_popcount as a stream: d in, y out.
module imec_popcount_tb #(
	int unsigned  N,
	int unsigned  GROUP
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [$clog2(N+1)-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_popcount #(.N(N), .GROUP(GROUP)) dut(.d(in0_V_TDATA), .y(out0_V_TDATA));

endmodule : imec_popcount_tb
