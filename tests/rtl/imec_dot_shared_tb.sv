// imec_dot_shared as a stream: { w[PE-1], .., w[0], a } in, { negate, y } of all PE out, imec_pkg::lut_steps words late.
module imec_dot_shared_tb #(
	int unsigned  PE,
	int unsigned  SIMD,
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  CENTRED = 0,
	int unsigned  PIPELINE = 0,
	localparam int unsigned  Y_BITS = A_BITS + 32'(!A_SIGNED && !CENTRED) + $clog2(SIMD)
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [SIMD*(A_BITS+PE)-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [PE*(Y_BITS+1)-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_dot_shared #(
		.PE(PE), .SIMD(SIMD), .A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .CENTRED(CENTRED), .PIPELINE(PIPELINE)
	) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY),
		.a(in0_V_TDATA[0 +: SIMD*A_BITS]), .w(in0_V_TDATA[SIMD*A_BITS +: PE*SIMD]), .y(out0_V_TDATA)
	);

endmodule : imec_dot_shared_tb
