/****************************************************************************
 * @brief	Dot products of SIMD activations and the weights of PE channels, by gated additions.
 *
 * @description
 *	y[p] = sum_lanes sum_j 2^j * { c, ~c or 0 },  c: a, unsigned by the inversion of its sign bit
 *
 *	A weight consists of DIGITS digits. Each takes the activation, its complement or nothing:
 *
 *	   weight                     | DIGITS | digit j takes
 *	  ----------------------------+--------+--------------------------------------
 *	   bipolar                    |   1    | c for 1, ~c for -1
 *	   -1, 0 and 1, of any W_BITS |   1    | c for 1, ~c for -1, 0 for 0
 *	   plain                      | W_BITS | c for 1, 0 for 0; ~c for a sign bit of 1
 *
 *	Activations are unsigned codes in y, and ~c = 2^A_BITS-1 - c. What this adds is constant
 *	for a channel; the accumulation accounts for it (finn_imec/layer/datapath.py, offsets).
 *
 *	Pairs of lanes are added by imec_gates, the pairs of a digit by imec_tree, then the digits:
 *
 *	            +-------+    +------+     +------+
 *	  a, w -+-->| gates |-x->| tree |--x->| tree |-x-> y
 *	        |   +-------+    +------+     |      |
 *	        +-->| gates |-x->| tree |--x->|      |
 *	            +-------+    +------+     +------+
 *
 *	Bit k of CUTS puts a register where k levels of the trees follow: at the x, and between the
 *	levels of a tree. They are the registers of imec_pkg::lut_steps(PIPELINE), chosen by
 *	finn_imec/layer/clock.py; those for which there is no bit are at y.
 *
 *	HEAP replaces the trees by imec_compress, which takes more LUTs and fewer registers, at the
 *	places of imec_dot_heap, MIDDLE included; CUTS is 0 then.
 *
 *	y follows a and w after imec_pkg::lut_steps(PIPELINE) steps. Multiplies no weights that may
 *	change, because the constants depend on them.
 ***************************************************************************/
module imec_dot_gates import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  SIMD,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  DIGITS,
	int unsigned  PIPELINE = 0,
	int unsigned  CUTS = 0,
	bit  HEAP = 0,
	int unsigned  MIDDLE = 6,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = $clog2(SIMD*(2**A_BITS-1)*(2**DIGITS-1) + 1)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [SIMD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0][W_BITS-1:0]  w,
	output	logic [PE-1:0][Y_BITS-1:0]  y
);
	if(PIPELINE > 5)  $error("PIPELINE=%0d must be 0 to 5.", PIPELINE);
	if(DIGITS != 1 && DIGITS != W_BITS)  $error("DIGITS=%0d must be 1 or W_BITS=%0d.", DIGITS, W_BITS);
	if(W_BIPOLAR && (W_BITS != 1 || W_SIGNED))  $error("bipolar weights are 1 bit without sign.");

	uwire [SIMD-1:0][A_BITS-1:0]  code;
	for(genvar  l = 0; l < SIMD; l++) begin : genCode
		assign	code[l] = a[l] ^ (A_BITS'(A_SIGNED) << (A_BITS-1));
	end : genCode

	localparam int unsigned  GROUPS = SIMD < 2? 1 : SIMD/2;	// of two lanes, the last of the rest
	localparam int unsigned  LATER  = tree_levels(DIGITS, 1);
	localparam int unsigned  LEVELS = tree_levels(GROUPS, 0) + LATER;
	localparam int unsigned  STEPS  = lut_steps(PIPELINE);
	if(HEAP && CUTS != 0)  $error("CUTS=%0d must be 0 with HEAP.", CUTS);
	if(CUTS >> (LEVELS+1) != 0 || 32'($countones(CUTS)) > STEPS) begin : genCuts
		$error("CUTS=%0d must be at most %0d registers at up to %0d levels.", CUTS, STEPS, LEVELS);
	end : genCuts

	localparam int unsigned  MOST = 2**A_BITS - 1;
	localparam int unsigned  GROUP_MAX = (SIMD == 1? 1 : SIMD % 2 == 1? 3 : 2) * MOST;
	localparam int unsigned  GROUP_BITS = $clog2(GROUP_MAX + 1);

	// Bits of digit j in column c of the heap, from the last groups; and those of lower digits
	function automatic int unsigned count(input int unsigned  c, input int unsigned  j);
		if(c < j || c - j >= GROUP_BITS)  return  0;
		return  c - j > A_BITS? 1 : GROUPS;
	endfunction : count
	function automatic int unsigned lower(input int unsigned  c, input int unsigned  j);
		automatic int unsigned  n = 0;
		for(int unsigned  i = 0; i < j; i++)  n += count(c, i);
		return  n;
	endfunction : lower
	localparam int unsigned  COLS = GROUP_BITS + DIGITS-1;
	function automatic heights_t heights();
		automatic heights_t  h = '0;
		for(int unsigned  c = 0; c < COLS; c++)  h[c] = 16'(lower(c, DIGITS));
		return  h;
	endfunction : heights
	localparam heights_t  HEIGHT = heights();
	localparam int unsigned  BITS = bits_below(HEIGHT, COLS);

	for(genvar  p = 0; p < PE; p++) begin : genPE
		uwire [DIGITS-1:0][SIMD-1:0]  keep, invert;
		for(genvar  l = 0; l < SIMD; l++) begin : genLane
			for(genvar  j = 0; j < DIGITS; j++) begin : genDigit
				assign	keep[j][l]   = W_BIPOLAR || w[p][l][j];
				assign	invert[j][l] = W_BIPOLAR? !w[p][l][0] : W_SIGNED && j == DIGITS-1 && w[p][l][W_BITS-1];
			end : genDigit
		end : genLane

		if(PRIMITIVES != BEHAVIOR) begin : genStructure
			localparam int unsigned  DIGIT_MAX = SIMD * MOST;
			localparam int unsigned  DIGIT_BITS = $clog2(DIGIT_MAX + 1);
			uwire [DIGITS-1:0][GROUPS-1:0][GROUP_BITS-1:0]  groups;
			for(genvar  j = 0; j < DIGITS; j++) begin : genDigit
				for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
					localparam int unsigned  LANES = g < GROUPS-1? 2 : SIMD - 2*g;
					uwire [$clog2(LANES*MOST + 1)-1:0]  sum;
					imec_gates #(.N(LANES), .BITS(A_BITS), .PRIMITIVES(PRIMITIVES)) gates(
						.d(code[2*g +: LANES]), .keep(keep[j][2*g +: LANES]), .invert(invert[j][2*g +: LANES]), .y(sum)
					);
					assign	groups[j][g] = GROUP_BITS'(sum);
				end : genGroup
			end : genDigit

			if(HEAP) begin : genHeap
				uwire [BITS-1:0]  heap;
				for(genvar  c = 0; c < COLS; c++) begin : genColumn
					for(genvar  j = 0; j < DIGITS; j++) begin : genDigit
						for(genvar  g = 0; g < count(c, j); g++) begin : genBit
							localparam int unsigned  FROM = g + GROUPS - count(c, j);	// the last group may have more bits
							assign	heap[bits_below(HEIGHT, c) + lower(c, j) + g] = groups[j][FROM][c-j];
						end : genBit
					end : genDigit
				end : genColumn
				localparam int unsigned  SUM_BITS = Y_BITS > COLS? Y_BITS : COLS;
				uwire [SUM_BITS-1:0]  sum;
				imec_compress #(
					.COLS(SUM_BITS), .HEIGHT(HEIGHT), .CUT(has_middle(PIPELINE)? MIDDLE : 0), .ROWS(has_rows(PIPELINE)), .PRIMITIVES(PRIMITIVES)
				) compress(.clk, .en, .d(heap), .y(sum));
				imec_delay #(.WIDTH(Y_BITS), .STEPS(32'(has_sum(PIPELINE)))) last(
					.clk, .en, .d(sum[Y_BITS-1:0]), .q(y[p])
				);
			end : genHeap
			else begin : genTree
				uwire [DIGITS-1:0][DIGIT_BITS-1:0]  digits;
				for(genvar  j = 0; j < DIGITS; j++) begin : genDigit
					uwire [$clog2(GROUPS*GROUP_MAX + 1)-1:0]  sum;
					imec_tree #(.N(GROUPS), .MAX(GROUP_MAX), .CUTS(CUTS >> LATER), .PRIMITIVES(PRIMITIVES)) lanes(
						.clk, .en, .d(groups[j]), .y(sum)
					);
					assign	digits[j] = sum[DIGIT_BITS-1:0];
				end : genDigit
				uwire [Y_BITS-1:0]  sum;
				imec_tree #(.N(DIGITS), .MAX(DIGIT_MAX), .SHIFT(1), .CUTS(CUTS & ((1 << LATER) - 1)), .PRIMITIVES(PRIMITIVES)) all(
					.clk, .en, .d(digits), .y(sum)
				);
				imec_delay #(.WIDTH(Y_BITS), .STEPS(STEPS - $countones(CUTS))) last(.clk, .en, .d(sum), .q(y[p]));
			end : genTree
		end : genStructure
		else begin : genBehavior
			uwire [A_BITS-1:0][SIMD-1:0]  plane;
			for(genvar  i = 0; i < A_BITS; i++) begin : genPlane
				for(genvar  l = 0; l < SIMD; l++) begin : genLane
					assign	plane[i][l] = code[l][i];
				end : genLane
			end : genPlane
			logic [Y_BITS-1:0]  sum;
			always_comb begin
				sum = '0;
				for(int unsigned  j = 0; j < DIGITS; j++) begin
					for(int unsigned  i = 0; i < A_BITS; i++) begin
						sum += Y_BITS'($countones((plane[i] ^ invert[j]) & keep[j])) << (i+j);
					end
				end
			end
			imec_delay #(.WIDTH(Y_BITS), .STEPS(STEPS)) late(.clk, .en, .d(sum), .q(y[p]));
		end : genBehavior
	end : genPE

endmodule : imec_dot_gates
