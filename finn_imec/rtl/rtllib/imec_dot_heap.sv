/****************************************************************************
 * @brief	Dot product of SIMD activations and weights in LUTs, by bit planes.
 *
 * @description
 *	y of imec_dot_planes for one PE, by a compressor tree of partial products: pairs of
 *	LUT6 that add three partial products each, one LUT for the sum bit and one for the
 *	carry, then imec_compress.
 *
 *	                 +------+   +----------+     +----------+   +-----+
 *	  a, w --------->| LUT6 |-->| counters |-||->| counters |-||-->| + |-||--> y
 *	                 +------+   +----------+     +----------+   +-----+
 *	  PIPELINE 0
 *	           1                                                         *
 *	           2                              *                          *
 *	           3                                              *
 *	           4                              *               *
 *	           5                              *               *          *
 *
 *	The register between counters is before the first level whose highest column has at most MIDDLE
 *	bits, chosen by finn_imec/layer/clock.py.
 *
 *	y follows a and w after imec_pkg::lut_steps(PIPELINE) steps. Does not add the constant.
 ***************************************************************************/
module imec_dot_heap import imec_pkg::*; #(
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  PIPELINE,
	int unsigned  MIDDLE = 6,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = $clog2(SIMD*(2**A_BITS-1)*(2**W_BITS-1) + 1)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [SIMD-1:0][W_BITS-1:0]  w,
	output	logic [Y_BITS-1:0]  y
);
	// First level: three partial products of equal weight fill the two LUT6 of a 3:2 counter.
	localparam int unsigned  WEIGHTS = A_BITS + W_BITS - 1;	// number of powers of two
	function automatic int unsigned first(input int unsigned  e);	// least i with j = e-i legal
		return  e < W_BITS? 0 : e - (W_BITS-1);
	endfunction : first
	function automatic int unsigned planes(input int unsigned  e);
		return  (e < A_BITS? e : A_BITS-1) - first(e) + 1;
	endfunction : planes
	function automatic int unsigned sums(input int unsigned  e);
		return  (planes(e)*SIMD + 2) / 3;
	endfunction : sums
	function automatic int unsigned carries(input int unsigned  e);
		return  (planes(e)*SIMD + 1) / 3;	// a group of one partial product has none
	endfunction : carries
	function automatic heights_t heights();
		automatic heights_t  h = '0;
		for(int unsigned  e = 0; e < WEIGHTS; e++) begin
			h[e]   += 16'(sums(e));
			h[e+1] += 16'(carries(e));
		end
		return  h;
	endfunction : heights
	localparam heights_t  HEIGHT = heights();

	// Which of the partial products 3g, 3g+1, 3g+2 of weight e are negative
	function automatic bit [2:0] negatives(input int unsigned  e, input int unsigned  g);
		automatic bit [2:0]  negative;
		for(int unsigned  k = 0; k < 3; k++) begin
			automatic int unsigned  i = first(e) + (3*g+k)/SIMD;
			negative[k] = (A_SIGNED && i == A_BITS-1) ^ (W_SIGNED && e-i == W_BITS-1);
		end
		return  negative;
	endfunction : negatives

	// Bit k of the number of ones among the partial products of (x1,x0), (x3,x2), (x5,x4)
	function automatic logic [63:0] count(input int unsigned  k, input bit [2:0]  used, input bit [2:0]  negative);
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 64; x++) begin
			automatic int unsigned  n = 0;
			for(int unsigned  i = 0; i < 3; i++) begin
				automatic bit  ai = 1'(x >> (2*i));
				automatic bit  wi = 1'(x >> (2*i+1));
				if(used[i] && negative[i] != (W_BIPOLAR? ai == wi : ai && wi))  n++;
			end
			init[x] = 1'(n >> k);
		end
		return  init;
	endfunction : count

	localparam int unsigned  BITS = bits_below(HEIGHT, WEIGHTS+1);
	uwire [BITS-1:0]  heap;
	for(genvar  e = 0; e < WEIGHTS; e++) begin : genWeight
		localparam int unsigned  N     = planes(e)*SIMD;
		localparam int unsigned  ONES  = bits_below(HEIGHT, e) + (e > 0? carries(e-1) : 0);
		localparam int unsigned  TWOS  = bits_below(HEIGHT, e+1);

		// Partial products of weight e: pair (w, a) of bit plane i, lane l at index i*SIMD + l
		uwire [N+1:0][1:0]  pairs;
		assign	pairs[N +: 2] = '0;
		for(genvar  p = 0; p < planes(e); p++) begin : genPlane
			for(genvar  l = 0; l < SIMD; l++) begin : genLane
				assign	pairs[p*SIMD + l] = { w[l][e - (first(e) + p)], a[l][first(e) + p] };
			end : genLane
		end : genPlane

		for(genvar  g = 0; g < sums(e); g++) begin : genGroup
			localparam bit [2:0]  USED = { 3*g+2 < N, 3*g+1 < N, 1'b1 };
			uwire [5:0]  x = pairs[3*g +: 3];
			imec_lut6 #(.INIT(count(0, USED, negatives(e, g))), .PRIMITIVES(PRIMITIVES)) ones(.i(x), .o(heap[ONES + g]));
			if(g < carries(e)) begin : genCarry
				imec_lut6 #(.INIT(count(1, USED, negatives(e, g))), .PRIMITIVES(PRIMITIVES)) carry(.i(x), .o(heap[TWOS + g]));
			end : genCarry
		end : genGroup
	end : genWeight

	localparam int unsigned  COLS = Y_BITS > WEIGHTS+1? Y_BITS : WEIGHTS+1;
	uwire [COLS-1:0]  sum;
	imec_compress #(
		.COLS(COLS), .HEIGHT(HEIGHT), .CUT(has_middle(PIPELINE)? MIDDLE : 0), .ROWS(has_rows(PIPELINE)), .PRIMITIVES(PRIMITIVES)
	) compress(.clk, .en, .d(heap), .y(sum));
	imec_delay #(.WIDTH(Y_BITS), .STEPS(32'(has_sum(PIPELINE)))) last(.clk, .en, .d(sum[Y_BITS-1:0]), .q(y));

endmodule : imec_dot_heap
