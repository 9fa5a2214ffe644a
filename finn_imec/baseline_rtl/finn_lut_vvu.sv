// LUT core for FINN's RTL VVAU: one finn_lut_core with one PE for each channel.
//
// Not FINN code: finn-plus 1.6.1 has an RTL VVAU for DSP58 only, on Versal, and builds depthwise layers
// for other devices in Vitis HLS. This module has the parameters and ports of FINN's
// `mvu_vvu_8sx9_dsp58`, so that FINN's wrapper (flow control, output queue) takes it unchanged.
//
// Latency: 2 cycles from an input word to the accumulators that contain it.
module finn_lut_vvu #(
	parameter  PRODUCT = "SIGNED",	// see finn_lut_core

	int unsigned  PE = 1,
	int unsigned  SIMD = 1,
	int unsigned  WEIGHT_WIDTH = 1,
	int unsigned  ACTIVATION_WIDTH = 1,
	int unsigned  ACCU_WIDTH = 8,
	bit  SIGNED_ACTIVATIONS = 0,

	bit  IS_MVU = 0,	// unused, as are SEGMENTLEN and FORCE_BEHAVIORAL
	int unsigned  SEGMENTLEN = 0,
	bit  FORCE_BEHAVIORAL = 0
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  en,

	input	logic  last,	// last word of a dot product
	input	logic  zero,	// no word in this cycle
	input	logic [PE-1:0][SIMD-1:0][WEIGHT_WIDTH    -1:0]  w,
	input	logic [PE-1:0][SIMD-1:0][ACTIVATION_WIDTH-1:0]  a,

	output	logic  vld,
	output	logic [PE-1:0][ACCU_WIDTH-1:0]  p
);
	uwire [PE-1:0]  done;	// all equal
	for(genvar  pe = 0; pe < PE; pe++) begin : genPE
		finn_lut_core #(
			.PRODUCT(PRODUCT), .PE(1), .SIMD(SIMD), .WEIGHT_WIDTH(WEIGHT_WIDTH),
			.ACTIVATION_WIDTH(ACTIVATION_WIDTH), .ACCU_WIDTH(ACCU_WIDTH), .SIGNED_ACTIVATIONS(SIGNED_ACTIVATIONS)
		) core (.clk, .rst, .en, .last, .zero, .w(w[pe]), .a(a[pe]), .vld(done[pe]), .p(p[pe]));
	end : genPE
	assign	vld = done[0];

endmodule : finn_lut_vvu
