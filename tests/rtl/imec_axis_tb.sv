// imec_axis as a stream: { clear, en } in, { hit, last, left } before that step out.
module imec_axis_tb #(
	int unsigned  N,
	int unsigned  SPAN,
	int unsigned  STRIDE,
	localparam int unsigned  BITS = N > 1? $clog2(N) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [BITS+1:0]  out0_V_TDATA
);
	uwire  step = in0_V_TVALID && out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;
	assign	in0_V_TREADY = out0_V_TREADY;

	imec_axis #(.N(N), .SPAN(SPAN), .STRIDE(STRIDE)) dut(
		.clk(ap_clk), .rst(!ap_rst_n || (step && in0_V_TDATA[1])), .en(step && in0_V_TDATA[0]),
		.left(out0_V_TDATA[BITS-1:0]), .last(out0_V_TDATA[BITS]), .hit(out0_V_TDATA[BITS+1])
	);

endmodule : imec_axis_tb
