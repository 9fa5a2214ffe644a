/****************************************************************************
 * @brief	Dot products of SIMD activations and the weights of PE channels, by bit planes.
 *
 * @description
 *	With a = sum_i +-2^i a_i and w = sum_j +-2^j w_j (minus at a sign bit),
 *
 *	  sum_lanes a*w  =  sum_e 2^e * popcount{ a_i OP w_j : i+j = e }  +  constant
 *
 *	All partial products of weight 2^e are counted together. Negative ones are counted
 *	inverted, -z = ~z - 1, so that y is unsigned and grows from 0. Inversions and
 *	bipolar values add terms that are constant for a whole window; the accumulation
 *	accounts for them (finn_imec/layer/datapath.py, offsets):
 *
 *	   activation | weight  | OP   | sum a*w =
 *	  ------------+---------+------+------------------------
 *	   bipolar    | bipolar | xnor | 2*y + constant; FINN's accumulator is y itself
 *	   plain      | bipolar | xnor |   y + constant(weights)
 *	   bipolar    | plain   | and  | 2*y + constant(weights)
 *	   plain      | plain   | and  |   y + constant
 *
 *	Bipolar values are one bit, 0 for -1 and 1 for +1. Plain values are two's
 *	complement if signed.
 *
 *	This is imec_dot_heap, whose single LUTs are slow to simulate, unless PRIMITIVES is
 *	BEHAVIOR.
 *
 *	SERIES takes imec_dot_series instead. MIDDLE is that of either.
 *
 *	y follows a and w after imec_pkg::lut_steps(PIPELINE) steps. Does not apply the factor 2 of the table.
 ***************************************************************************/
module imec_dot_planes import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,

	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  PIPELINE = 0,	// 0 to 5, see imec_dot_heap
	int unsigned  MIDDLE = 6,
	int unsigned  SERIES = 0,	// 0 for imec_dot_heap
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = $clog2(SIMD*(2**A_BITS-1)*(2**W_BITS-1) + 1)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0][W_BITS-1:0]  w,
	output	logic [PE-1:0][Y_BITS-1:0]  y
);
	if(PIPELINE > 5)  $error("PIPELINE=%0d must be 0 to 5.", PIPELINE);
	if(A_BIPOLAR && (A_BITS != 1 || A_SIGNED))  $error("bipolar activations are 1 bit without sign.");
	if(W_BIPOLAR && (W_BITS != 1 || W_SIGNED))  $error("bipolar weights are 1 bit without sign.");

	// Whether the partial product of weight bit j and activation bit i is negative
	typedef logic [W_BITS-1:0][A_BITS-1:0]  planes_t;
	function automatic planes_t negative_planes();
		automatic planes_t  negative;
		for(int unsigned  j = 0; j < W_BITS; j++) begin
			for(int unsigned  i = 0; i < A_BITS; i++) begin
				negative[j][i] = (A_SIGNED && i == A_BITS-1) ^ (W_SIGNED && j == W_BITS-1);
			end
		end
		return  negative;
	endfunction : negative_planes
	localparam planes_t  NEGATIVE = negative_planes();

	if(PRIMITIVES != BEHAVIOR && SERIES != 0) begin : genSeries
		for(genvar  p = 0; p < PE; p++) begin : genPE
			imec_dot_series #(
				.SIMD(SIMD), .A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR),
				.SERIES(SERIES), .PIPELINE(PIPELINE), .MIDDLE(MIDDLE), .PRIMITIVES(PRIMITIVES)
			) series(.clk, .en, .a, .w(w[p]), .y(y[p]));
		end : genPE
	end : genSeries
	else if(PRIMITIVES != BEHAVIOR) begin : genStructure
		for(genvar  p = 0; p < PE; p++) begin : genPE
			imec_dot_heap #(
				.SIMD(SIMD), .A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR),
				.PIPELINE(PIPELINE), .MIDDLE(MIDDLE), .PRIMITIVES(PRIMITIVES)
			) heap(.clk, .en, .a, .w(w[p]), .y(y[p]));
		end : genPE
	end : genStructure
	else begin : genBehavior
		// The formula as it stands: by activations if there are few lanes, else by bit planes
		logic [PE-1:0][Y_BITS-1:0]  sum;
		imec_delay #(.WIDTH(PE*Y_BITS), .STEPS(lut_steps(PIPELINE))) late(.clk, .en, .d(sum), .q(y));
		if(SIMD < 2*A_BITS) begin : genLanes
			for(genvar  p = 0; p < PE; p++) begin : genPE
				always_comb begin
					sum[p] = '0;
					for(int unsigned  l = 0; l < SIMD; l++) begin
						for(int unsigned  j = 0; j < W_BITS; j++) begin
							automatic logic [A_BITS-1:0]  wj = {A_BITS{w[p][l][j]}};
							automatic logic [A_BITS-1:0]  z = W_BIPOLAR? a[l] ~^ wj : a[l] & wj;
							sum[p] += Y_BITS'(z ^ NEGATIVE[j]) << j;
						end
					end
				end
			end : genPE
		end : genLanes
		else begin : genPlanes
			// Bit plane i, each bit repeated for all bits of its lane's weight
			uwire [A_BITS-1:0][SIMD-1:0][W_BITS-1:0]  plane;
			for(genvar  i = 0; i < A_BITS; i++) begin : genPlane
				for(genvar  l = 0; l < SIMD; l++) begin : genLane
					assign	plane[i][l] = {W_BITS{a[l][i]}};
				end : genLane
			end : genPlane

			for(genvar  p = 0; p < PE; p++) begin : genPE
				always_comb begin
					sum[p] = '0;
					for(int unsigned  i = 0; i < A_BITS; i++) begin
						for(int unsigned  j = 0; j < W_BITS; j++) begin
							automatic logic [SIMD*W_BITS-1:0]  z = W_BIPOLAR? plane[i] ~^ w[p] : plane[i] & w[p];
							automatic logic [SIMD*W_BITS-1:0]  zj = (NEGATIVE[j][i]? ~z : z) & {SIMD{W_BITS'(1 << j)}};
							sum[p] += Y_BITS'($countones(zj)) << (i+j);
						end
					end
				end
			end : genPE
		end : genPlanes
	end : genBehavior

endmodule : imec_dot_planes
