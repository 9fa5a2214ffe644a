/****************************************************************************
 * @brief	Dot product of SIMD activations and weights by multipliers and adders.
 *
 * @description
 *	y = sum_lanes a*w, exact and signed. For operands too wide for bit planes.
 *	The attribute makes Vivado build the multipliers from LUTs.
 *
 *	y follows a and w after imec_pkg::lut_steps(PIPELINE) steps, in registers that
 *	synthesis may retime.
 *	Does not support bipolar values.
 ***************************************************************************/
(* use_dsp = "no" *)
module imec_dot_product import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  SIMD,
	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	int unsigned  PIPELINE = 0,

	localparam int unsigned  Y_BITS = A_BITS + W_BITS + 1 + $clog2(SIMD)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0][W_BITS-1:0]  w,
	output	logic [PE-1:0][Y_BITS-1:0]  y
);
	logic [PE-1:0][Y_BITS-1:0]  sum;
	imec_delay #(.WIDTH(PE*Y_BITS), .STEPS(lut_steps(PIPELINE))) late(.clk, .en, .d(sum), .q(y));
	for(genvar  p = 0; p < PE; p++) begin : genPE
		always_comb begin
			sum[p] = '0;
			for(int unsigned  l = 0; l < SIMD; l++) begin
				automatic logic signed [A_BITS:0]  al = { A_SIGNED && a[l][A_BITS-1], a[l] };
				automatic logic signed [W_BITS:0]  wl = { W_SIGNED && w[p][l][W_BITS-1], w[p][l] };
				automatic logic signed [A_BITS+W_BITS+1:0]  product = al * wl;
				sum[p] += Y_BITS'(product);
			end
		end
	end : genPE

endmodule : imec_dot_product
