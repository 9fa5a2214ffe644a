/****************************************************************************
 * @brief	Dot product of SIMD activations and weights in LUTs, by full adders in series.
 *
 * @description
 *	y of imec_dot_heap, as late. One LUT with both outputs adds two partial products and a bit
 *	of equal weight, the sum of the LUT before it:
 *
 *	  a, w  a, w      a, w  a, w
 *	    |    |          |    |
 *	   +------+        +------+
 *	   | LUT  |--sum-->| LUT  |--sum--> ...   SERIES of them
 *	   +------+        +------+
 *	       |carry          |carry
 *	       v               v
 *
 *	Sums of the last LUTs and all carries go to imec_compress. Of 32 products of single bits:
 *
 *	                | LUTs before | bits of weight 1, 2 | LUTs of all
 *	  --------------+-------------+---------------------+-------------
 *	  imec_dot_heap |     22      |       11, 11        |     36
 *	  SERIES = 2    |     16      |        8, 16        |     29
 *	           3    |     16      |        6, 16        |     28
 *
 *	It is slower by a LUT for each in series but one. finn_imec/layer/clock.py chooses SERIES.
 *
 *	y follows a and w after imec_pkg::lut_steps(PIPELINE) steps. Does not add the constant. Has no
 *	register between the LUTs in series.
 ***************************************************************************/
module imec_dot_series import imec_pkg::*; #(
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  SERIES,
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
	if(SERIES < 2)  $error("SERIES=%0d must be at least 2.", SERIES);

	// Of weight e: partial products, the LUTs that add them, those of them at the end, and carries
	localparam int unsigned  WEIGHTS = A_BITS + W_BITS - 1;	// number of powers of two
	function automatic int unsigned first(input int unsigned  e);	// least i with j = e-i legal
		return  e < W_BITS? 0 : e - (W_BITS-1);
	endfunction : first
	function automatic int unsigned products(input int unsigned  e);
		return  ((e < A_BITS? e : A_BITS-1) - first(e) + 1) * SIMD;
	endfunction : products
	function automatic int unsigned adders(input int unsigned  e);
		return  (products(e) + 1) / 2;
	endfunction : adders
	function automatic int unsigned sums(input int unsigned  e);
		return  (adders(e) + SERIES-1) / SERIES;
	endfunction : sums
	function automatic int unsigned carries(input int unsigned  e);
		return  products(e) == 1? 0 : adders(e);
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

	// Which of the partial products 2g and 2g+1 of weight e are negative
	function automatic bit [1:0] negatives(input int unsigned  e, input int unsigned  g);
		automatic bit [1:0]  negative;
		for(int unsigned  k = 0; k < 2; k++) begin
			automatic int unsigned  i = first(e) + (2*g+k)/SIMD;
			negative[k] = (A_SIGNED && i == A_BITS-1) ^ (W_SIGNED && e-i == W_BITS-1);
		end
		return  negative;
	endfunction : negatives

	// The number of ones among the partial products of (x1,x0), of (x3,x2) if there is a second one, and x4:
	// o5 is its upper bit, o6 its lower
	function automatic logic [63:0] full(input bit  second, input bit [1:0]  negative);
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 32; x++) begin
			automatic int unsigned  n = 32'(1'(x >> 4));
			for(int unsigned  i = 0; i < 2; i++) begin
				automatic bit  ai = 1'(x >> (2*i));
				automatic bit  wi = 1'(x >> (2*i+1));
				if((i == 0 || second) && negative[i] != (W_BIPOLAR? ai == wi : ai && wi))  n++;
			end
			init[x]      = n > 1;
			init[x + 32] = 1'(n);
		end
		return  init;
	endfunction : full

	localparam int unsigned  BITS = bits_below(HEIGHT, WEIGHTS+1);
	uwire [BITS-1:0]  heap;
	for(genvar  e = 0; e < WEIGHTS; e++) begin : genWeight
		localparam int unsigned  N      = products(e);
		localparam int unsigned  ADDERS = adders(e);
		localparam int unsigned  SUMS   = sums(e);
		localparam int unsigned  ONES   = bits_below(HEIGHT, e) + (e > 0? carries(e-1) : 0);
		localparam int unsigned  TWOS   = bits_below(HEIGHT, e+1);

		// Partial products of weight e: pair (w, a) of bit plane i, lane l at index i*SIMD + l
		uwire [N:0][1:0]  pairs;
		assign	pairs[N] = '0;
		for(genvar  p = 0; p < N/SIMD; p++) begin : genPlane
			for(genvar  l = 0; l < SIMD; l++) begin : genLane
				assign	pairs[p*SIMD + l] = { w[l][e - (first(e) + p)], a[l][first(e) + p] };
			end : genLane
		end : genPlane

		for(genvar  g = 0; g < ADDERS; g++) begin : genAdder
			uwire  added, one, two;	// the bit that is added; of weight 2^e and 2^(e+1)
			if(g < SUMS)  assign  added = 1'b0;
			else          assign  added = genAdder[g-SUMS].one;
			imec_lut6x2 #(.INIT(full(2*g+1 < N, negatives(e, g))), .PRIMITIVES(PRIMITIVES)) lut(
				.i({ 1'b1, added, pairs[2*g +: 2] }), .o6(one), .o5(two)
			);
			if(g >= ADDERS - SUMS)  assign  heap[ONES + g - (ADDERS - SUMS)] = one;
			if(g < carries(e))      assign  heap[TWOS + g] = two;
		end : genAdder
	end : genWeight

	localparam int unsigned  COLS = Y_BITS > WEIGHTS+1? Y_BITS : WEIGHTS+1;
	uwire [COLS-1:0]  sum;
	imec_compress #(
		.COLS(COLS), .HEIGHT(HEIGHT), .CUT(has_middle(PIPELINE)? MIDDLE : 0), .ROWS(has_rows(PIPELINE)), .PRIMITIVES(PRIMITIVES)
	) compress(.clk, .en, .d(heap), .y(sum));
	imec_delay #(.WIDTH(Y_BITS), .STEPS(32'(has_sum(PIPELINE)))) last(.clk, .en, .d(sum[Y_BITS-1:0]), .q(y));

endmodule : imec_dot_series
