/****************************************************************************
 * @brief	Dot products of few activations and bipolar weights, by sums that all PEs share.
 *
 * @description
 *	sum_l a[l]*w[p][l]  =  negate? -sum : sum,  { negate, sum } = y[p]
 *
 *	Up to its sign there are only 2^(SIMD-1) different dot products, those whose first
 *	weight is +1. They are computed once, and each PE takes one of them:
 *
 *	         +-----+               +-----+
 *	  a -||->| +,- |--a0+a1+a2--||-|     |
 *	         |     |--a0-a1+a2--||-| mux |-||-- sum -->
 *	         |     |--a0+a1-a2--||-|     |
 *	         |     |--a0-a1-a2--||-|     |-||-- negate -->
 *	         +-----+               +-----+
 *	  w -||---------------------||-->^
 *	     3                      1       2
 *
 *	The numbers say from how many steps on a register is there.
 *
 *	w[p][0] is 1 for a first weight of +1. w[p][l] of a later lane is 1 if its weight is that
 *	of the first lane, so that it chooses without further logic.
 *
 *	CENTRED takes unsigned activations 2^(A_BITS-1) lower, which makes y a bit shorter. The
 *	accumulation accounts for it (finn_imec/layer/datapath.py, offsets).
 *
 *	y follows a and w after imec_pkg::lut_steps(PIPELINE) steps. Does not negate.
 ***************************************************************************/
module imec_dot_shared import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  CENTRED = 0,
	int unsigned  PIPELINE = 0,

	localparam int unsigned  X_BITS = A_BITS + 32'(!A_SIGNED && !CENTRED),
	localparam int unsigned  Y_BITS = X_BITS + $clog2(SIMD)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0]  w,
	output	logic [PE-1:0][Y_BITS:0]  y	// { negate, sum }
);
	if(SIMD < 2 || SIMD > 4)  $error("SIMD=%0d must be 2 to 4.", SIMD);
	if(A_SIGNED && CENTRED)  $error("CENTRED=%0d must be 0 if A_SIGNED.", CENTRED);

	localparam int unsigned  STEPS = lut_steps(PIPELINE);
	localparam int unsigned  SUMS  = 2**(SIMD-1);

	uwire [SIMD-1:0][A_BITS-1:0]  a1;
	uwire [PE-1:0][SIMD-1:0]  w1, w2;
	imec_delay #(.WIDTH(SIMD*A_BITS), .STEPS(32'(STEPS > 2))) early(.clk, .en, .d(a), .q(a1));
	imec_delay #(.WIDTH(PE*SIMD), .STEPS(32'(STEPS > 2))) early_weights(.clk, .en, .d(w), .q(w1));
	imec_delay #(.WIDTH(PE*SIMD), .STEPS(32'(STEPS > 0))) weights(.clk, .en, .d(w1), .q(w2));

	uwire [SIMD-1:0][Y_BITS-1:0]  x;	// signed
	for(genvar  l = 0; l < SIMD; l++) begin : genLane
		uwire [X_BITS-1:0]  plain = X_BITS'(a1[l]);
		assign	x[l] = Y_BITS'(signed'(plain ^ (X_BITS'(CENTRED) << (A_BITS-1))));
	end : genLane

	// Sum k of level l adds lane i <= l if bit i-1 of k, else subtracts it
	uwire [SIMD-1:0][SUMS-1:0][Y_BITS-1:0]  sums;
	for(genvar  l = 0; l < SIMD; l++) begin : genLevel
		for(genvar  k = 0; k < SUMS; k++) begin : genSum
			if(k >= 2**l)    assign  sums[l][k] = '0;
			else if(l == 0)  assign  sums[l][k] = x[0];
			else begin : genAdd
				localparam int unsigned  BITS = X_BITS + $clog2(l+1);
				localparam int unsigned  FROM = k % 2**(l-1);
				uwire [BITS-1:0]  earlier = sums[l-1][FROM][BITS-1:0];
				uwire [BITS-1:0]  lane = x[l][BITS-1:0];
				uwire [BITS-1:0]  sum = k >= 2**(l-1)? earlier + lane : earlier - lane;
				assign	sums[l][k] = Y_BITS'(signed'(sum));
			end : genAdd
		end : genSum
	end : genLevel
	uwire [SUMS-1:0][Y_BITS-1:0]  shared;
	imec_delay #(.WIDTH(SUMS*Y_BITS), .STEPS(32'(STEPS > 0))) sum(.clk, .en, .d(sums[SIMD-1]), .q(shared));

	for(genvar  p = 0; p < PE; p++) begin : genPE
		imec_delay #(.WIDTH(Y_BITS + 1), .STEPS(32'(STEPS > 1))) choice(
			.clk, .en, .d({ !w2[p][0], shared[w2[p][SIMD-1:1]] }), .q(y[p])
		);
	end : genPE

endmodule : imec_dot_shared
