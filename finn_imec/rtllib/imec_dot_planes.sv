/****************************************************************************
 * @brief	Dot product of SIMD activations and weights in LUTs, by bit planes.
 *
 * @description
 *	With a = sum_i +-2^i a_i and w = sum_j +-2^j w_j (minus at a sign bit),
 *
 *	  sum_lanes a*w  =  sum_e 2^e * popcount{ a_i OP w_j : i+j = e }  +  constant
 *
 *	All bits of weight e are counted together. Negative planes are counted
 *	inverted, -z = ~z - 1, so that y is unsigned and grows from 0; what the
 *	inversions and bipolar values add is constant for a whole window, and is the
 *	business of who accumulates (finn_imec/datapath.py, offsets):
 *
 *	   activation | weight  | OP   | sum a*w =
 *	  ------------+---------+------+------------------------
 *	   bipolar    | bipolar | xnor | 2*y + constant
 *	   plain      | bipolar | xnor |   y + constant(weights)
 *	   bipolar    | plain   | and  | 2*y + constant(weights)
 *	   plain      | plain   | and  |   y + constant
 *
 *	Bipolar values are one bit, 0 for -1 and 1 for +1. Plain values are two's
 *	complement if signed.
 *
 *	Combinational; does not scale by the 2 of the table.
 ***************************************************************************/
module imec_dot_planes #(
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,

	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,

	localparam int unsigned  Y_BITS = $clog2(SIMD*(2**A_BITS-1)*(2**W_BITS-1) + 1)
)(
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [SIMD-1:0][W_BITS-1:0]  w,
	output	logic [Y_BITS-1:0]  y
);
	initial begin
		if(A_BIPOLAR && (A_BITS != 1 || A_SIGNED))  $error("%m: bipolar activations are 1 bit without sign.");
		if(W_BIPOLAR && (W_BITS != 1 || W_SIGNED))  $error("%m: bipolar weights are 1 bit without sign.");
	end

	localparam int unsigned  WEIGHTS = A_BITS + W_BITS - 1;	// different powers of two
	uwire [WEIGHTS-1:0][Y_BITS-1:0]  part;
	for(genvar  e = 0; e < WEIGHTS; e++) begin : genWeight
		localparam int unsigned  FIRST  = e < W_BITS? 0 : e - (W_BITS-1);	// least i with j = e-i legal
		localparam int unsigned  LAST   = e < A_BITS? e : A_BITS-1;
		localparam int unsigned  PLANES = LAST - FIRST + 1;

		uwire [PLANES*SIMD-1:0]  bits;
		for(genvar  p = 0; p < PLANES; p++) begin : genPlane
			localparam int unsigned  I = FIRST + p;
			localparam int unsigned  J = e - I;
			localparam bit  NEGATIVE = (A_SIGNED && I == A_BITS-1) ^ (W_SIGNED && J == W_BITS-1);
			for(genvar  l = 0; l < SIMD; l++) begin : genLane
				assign	bits[p*SIMD + l] = NEGATIVE ^ (W_BIPOLAR? a[l][I] ~^ w[l][J] : a[l][I] & w[l][J]);
			end : genLane
		end : genPlane

		uwire [$clog2(PLANES*SIMD+1)-1:0]  n;
		imec_popcount #(.N(PLANES*SIMD), .GROUP(3)) count(.d(bits), .y(n));
		assign	part[e] = Y_BITS'(n) << e;
	end : genWeight

	always_comb begin
		y = part[0];
		for(int unsigned  e = 1; e < WEIGHTS; e++)  y += part[e];
	end

endmodule : imec_dot_planes
