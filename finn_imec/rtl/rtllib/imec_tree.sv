/****************************************************************************
 * @brief	Sum of N words in levels of adders.
 *
 * @description
 *	y = sum_i d[i] << i*SHIFT,  each d[i] at most MAX
 *
 *	Without SHIFT, levels of imec_add3 and, for a remainder of two words, additions; with it,
 *	levels of additions. A remainder of one word goes to the next level:
 *
 *	  d[0] --+
 *	  d[1] --+-- add3 --+
 *	  d[2] --+          |
 *	  d[3] --+          +-- + --> y
 *	  d[4] --+-- add3 --+
 *	  d[5] --+
 *
 *	Bit k of CUTS, unless it is too high, puts a register where k levels follow, bit 0 one
 *	at y. Drops no bits: y is as wide as the largest sum.
 ***************************************************************************/
module imec_tree import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  MAX,
	int unsigned  SHIFT = 0,
	int unsigned  CUTS = 0,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  BITS = $clog2(MAX + 1),
	localparam int unsigned  Y_BITS = $clog2(tree_max(N, MAX, SHIFT) + 1)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [N-1:0][BITS-1:0]  d,
	output	logic [Y_BITS-1:0]  y
);
	if(N == 1) begin : genLast
		imec_delay #(.WIDTH(Y_BITS), .STEPS(CUTS & 1)) cut(.clk, .en, .d, .q(y));
	end : genLast
	else begin : genLevel
		localparam int unsigned  MOST   = SHIFT == 0? 3 : 2;	// words of an adder
		localparam int unsigned  GROUPS = (N + MOST-1) / MOST;
		localparam int unsigned  NEXT = tree_max(N < MOST? N : MOST, MAX, SHIFT);
		localparam int unsigned  NEXT_BITS = $clog2(NEXT + 1);
		uwire [N-1:0][BITS-1:0]  x;
		imec_delay #(.WIDTH(N*BITS), .STEPS((CUTS >> tree_levels(N, SHIFT)) & 1)) cut(.clk, .en, .d, .q(x));

		uwire [GROUPS-1:0][NEXT_BITS-1:0]  sums;
		for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
			localparam int unsigned  WORDS = g < GROUPS-1? MOST : N - MOST*g;
			if(WORDS == 3) begin : genThree
				uwire [BITS+1:0]  sum;
				imec_add3 #(.BITS(BITS), .PRIMITIVES(PRIMITIVES)) add(.a(x[3*g]), .b(x[3*g+1]), .c(x[3*g+2]), .y(sum));
				assign	sums[g] = sum[NEXT_BITS-1:0];
			end : genThree
			else if(WORDS == 2) begin : genTwo
				localparam int unsigned  HIGH = BITS > SHIFT? BITS : SHIFT + 1;
				uwire [HIGH-1:0]  low = HIGH'(x[MOST*g]);
				uwire [HIGH-SHIFT-1:0]  above = low[HIGH-1:SHIFT];
				uwire [BITS:0]  sum = (BITS+1)'(x[MOST*g+1]) + (BITS+1)'(above);
				if(SHIFT == 0)  assign  sums[g] = NEXT_BITS'(sum);
				else            assign  sums[g] = NEXT_BITS'({ sum, low[SHIFT-1:0] });
			end : genTwo
			else  assign  sums[g] = NEXT_BITS'(x[MOST*g]);
		end : genGroup

		uwire [$clog2(tree_max(GROUPS, NEXT, MOST*SHIFT) + 1)-1:0]  sum;	// its maximum may be too high
		imec_tree #(.N(GROUPS), .MAX(NEXT), .SHIFT(MOST*SHIFT), .CUTS(CUTS), .PRIMITIVES(PRIMITIVES)) rest(.clk, .en, .d(sums), .y(sum));
		assign	y = sum[Y_BITS-1:0];
	end : genLevel

endmodule : imec_tree
