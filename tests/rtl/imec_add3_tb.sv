// imec_add3 as a stream: { c, b, a } in, y out.
module imec_add3_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  BITS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [3*BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [(BITS + 2)-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_add3 #(.PRIMITIVES(PRIMITIVES), .BITS(BITS)) dut(
		.a(in0_V_TDATA[0 +: BITS]), .b(in0_V_TDATA[BITS +: BITS]), .c(in0_V_TDATA[2*BITS +: BITS]), .y(out0_V_TDATA)
	);

endmodule : imec_add3_tb
