// imec_counter7 as a stream: d in, n out.
module imec_counter7_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N,
	bit  CHAIN = 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [2:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_counter7 #(.PRIMITIVES(PRIMITIVES), .N(N), .CHAIN(CHAIN)) dut(.d(in0_V_TDATA), .n(out0_V_TDATA));

endmodule : imec_counter7_tb
