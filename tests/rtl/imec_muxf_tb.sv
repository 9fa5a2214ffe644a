// imec_muxf as a stream: { d, sel } in, q out.
module imec_muxf_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N+1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;
	imec_muxf #(.PRIMITIVES(PRIMITIVES), .N(N)) dut(.sel(in0_V_TDATA[1:0]), .d(in0_V_TDATA[2 +: N]), .q(out0_V_TDATA));

endmodule : imec_muxf_tb
