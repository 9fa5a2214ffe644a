// imec_trits as a stream: packed weights in, weights out.
module imec_trits_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N,
	localparam int unsigned  BITS = N/3*5 + N%3*2
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [2*N-1:0]  out0_V_TDATA
);
	assign	out0_V_TVALID = in0_V_TVALID;
	assign	in0_V_TREADY = out0_V_TREADY;

	imec_trits #(.PRIMITIVES(PRIMITIVES), .N(N)) dut(.d(in0_V_TDATA), .q(out0_V_TDATA));

endmodule : imec_trits_tb
