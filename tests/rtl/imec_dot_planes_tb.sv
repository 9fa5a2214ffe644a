// imec_dot_planes as a stream: { w[PE-1], .., w[0], a } in, y of all PE out, imec_pkg::lut_steps words late.
module imec_dot_planes_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  PE,
	int unsigned  SIMD,
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  PIPELINE = 0,
	int unsigned  MIDDLE = 6,
	int unsigned  SERIES = 0,
	localparam int unsigned  Y_BITS = $clog2(SIMD*(2**A_BITS-1)*(2**W_BITS-1) + 1)
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [SIMD*(A_BITS+PE*W_BITS)-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [PE*Y_BITS-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_dot_planes #(
		.PRIMITIVES(PRIMITIVES), .PE(PE), .SIMD(SIMD),
		.A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .A_BIPOLAR(A_BIPOLAR),
		.W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR), .PIPELINE(PIPELINE), .MIDDLE(MIDDLE), .SERIES(SERIES)
	) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY),
		.a(in0_V_TDATA[0 +: SIMD*A_BITS]), .w(in0_V_TDATA[SIMD*A_BITS +: PE*SIMD*W_BITS]), .y(out0_V_TDATA)
	);

endmodule : imec_dot_planes_tb
