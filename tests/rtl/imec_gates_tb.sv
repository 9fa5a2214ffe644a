// imec_gates as a stream: { invert, keep, d } in, y out.
module imec_gates_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N,
	int unsigned  BITS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N*(BITS+2)-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [$clog2(N*(2**BITS-1) + 1)-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_gates #(.PRIMITIVES(PRIMITIVES), .N(N), .BITS(BITS)) dut(
		.d(in0_V_TDATA[0 +: N*BITS]), .keep(in0_V_TDATA[N*BITS +: N]), .invert(in0_V_TDATA[N*(BITS+1) +: N]), .y(out0_V_TDATA)
	);

endmodule : imec_gates_tb
