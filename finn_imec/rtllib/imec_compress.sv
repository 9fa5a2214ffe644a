/****************************************************************************
 * @brief	Sum of a heap of bits of different weights.
 *
 * @description
 *	y = sum_c 2^c * (number of ones among the HEIGHT[c] bits of column c)
 *
 *	d holds the columns one after the other, column 0 in the least significant
 *	bits. Levels of counters shrink the columns until two rows are left for a
 *	carry chain:
 *
 *	  highest column   level                                  LUTs
 *	   > 3             6:3 counters, 3:2 for a rest of 3, 4   3 per 6:3
 *	   3               3:2 and 2:2 counters, just as needed   2 per counter
 *	   <= 2            addition                               1 per bit
 *
 *	           . . o o o o o .            o o o . .             . .
 *	             . o o o o        6:3     o o o o     3:2, 2:2  o o o o o
 *	               o o o          ---->     o o       ------>   o o o o o
 *	               o o o
 *
 *	Combinational; drops carries out of the top column, so COLS must hold the sum.
 ***************************************************************************/
module imec_compress import imec_pkg::*; #(
	int unsigned  COLS,
	heights_t  HEIGHT,

	localparam int unsigned  BITS = bits_below(HEIGHT, COLS)
)(
	input	logic [BITS-1:0]  d,
	output	logic [COLS-1:0]  y
);
	function automatic int unsigned highest();
		highest = 0;
		for(int unsigned  i = 0; i < COLS; i++)  if(HEIGHT[i] > highest)  highest = 32'(HEIGHT[i]);
	endfunction : highest
	localparam int unsigned  HIGHEST = highest();

	// Counters that column c gets on this level, by the number of bits they take
	localparam heights_t  SIX   = sixes();
	localparam heights_t  THREE = threes();
	localparam heights_t  TWO   = twos();
	function automatic heights_t sixes();
		sixes = '0;
		for(int unsigned  c = 0; c < COLS; c++)  sixes[c] = HIGHEST > 3? (HEIGHT[c] + 16'd1) / 16'd6 : 16'd0;
	endfunction : sixes
	function automatic heights_t threes();
		automatic bit  carry = 0;
		threes = '0;
		for(int unsigned  c = 0; c < COLS; c++) begin
			automatic int unsigned  rest = 32'(HEIGHT[c]) % 6;
			if(HIGHEST > 3)  threes[c] = 16'(rest == 3 || rest == 4);
			else begin
				threes[c] = 16'(HEIGHT[c] == 3 && carry);
				carry = 32'(HEIGHT[c]) + 32'(carry) > 2;
			end
		end
	endfunction : threes
	function automatic heights_t twos();
		automatic bit  carry = 0;
		twos = '0;
		for(int unsigned  c = 0; c < COLS; c++) begin
			automatic bit  over = 32'(HEIGHT[c]) + 32'(carry) > 2;
			twos[c] = 16'(HIGHEST == 3 && over && THREE[c] == 0);
			carry = over;
		end
	endfunction : twos

	// Bits that column c hands on uncounted, and heights of the next level
	function automatic int unsigned passed(input int unsigned  c);
		automatic int unsigned  taken = 6*32'(SIX[c]) + 3*32'(THREE[c]) + 2*32'(TWO[c]);
		return  32'(HEIGHT[c]) > taken? 32'(HEIGHT[c]) - taken : 0;
	endfunction : passed
	function automatic int unsigned counters(input int unsigned  c);
		return  32'(SIX[c]) + 32'(THREE[c]) + 32'(TWO[c]);
	endfunction : counters
	function automatic heights_t next();
		next = '0;
		for(int unsigned  c = 0; c < COLS; c++) begin
			next[c] = 16'(passed(c) + counters(c)
				+ (c > 0? counters(c-1) : 0)
				+ (c > 1? 32'(SIX[c-2]) : 0));
		end
	endfunction : next
	localparam heights_t  NEXT = next();

	if(HIGHEST <= 2) begin : genAdd
		uwire [1:0][COLS-1:0]  row;
		for(genvar  c = 0; c < COLS; c++) begin : genColumn
			for(genvar  r = 0; r < 2; r++) begin : genRow
				if(r < HEIGHT[c])  assign  row[r][c] = d[bits_below(HEIGHT, c) + r];
				else               assign  row[r][c] = 1'b0;
			end : genRow
		end : genColumn
		assign	y = row[0] + row[1];
	end : genAdd
	else begin : genLevel
		localparam int unsigned  NEXT_BITS = bits_below(NEXT, COLS);
		uwire [NEXT_BITS-1:0]  q;
		for(genvar  c = 0; c < COLS; c++) begin : genColumn
			localparam int unsigned  BASE = bits_below(HEIGHT, c);
			// Where this column's ones, twos and fours go: own, next and next but one column
			localparam int unsigned  ONES  = bits_below(NEXT, c);
			localparam int unsigned  TWOS  = c+1 < COLS? bits_below(NEXT, c+1) + counters(c+1) : 0;
			localparam int unsigned  FOURS = c+2 < COLS? bits_below(NEXT, c+2) + counters(c+2) + counters(c+1) : 0;
			localparam int unsigned  REST  =
				ONES + counters(c) + (c > 0? counters(c-1) : 0) + (c > 1? 32'(SIX[c-2]) : 0);

			for(genvar  i = 0; i < counters(c); i++) begin : genCounter
				localparam bit  IS_SIX = i < SIX[c];
				localparam int unsigned  FROM = IS_SIX? 6*i : 6*32'(SIX[c]);
				localparam int unsigned  TAKE = IS_SIX?
					(HEIGHT[c] - FROM < 6? HEIGHT[c] - FROM : 6) : THREE[c] != 0? 3 : 2;
				uwire [2:0]  n;
				imec_counter6 #(.N(TAKE)) counter(.d(d[BASE + FROM +: TAKE]), .n);
				assign	q[ONES + i] = n[0];
				if(c+1 < COLS)            assign  q[TWOS  + i] = n[1];
				if(c+2 < COLS && IS_SIX)  assign  q[FOURS + i] = n[2];
			end : genCounter

			for(genvar  i = 0; i < passed(c); i++) begin : genPass
				assign	q[REST + i] = d[BASE + HEIGHT[c] - passed(c) + i];
			end : genPass
		end : genColumn

		imec_compress #(.COLS(COLS), .HEIGHT(NEXT)) level(.d(q), .y);
	end : genLevel

endmodule : imec_compress

/****************************************************************************
 * @brief	Number of ones among N <= 6 bits; three LUT6 from four bits on.
 ***************************************************************************/
module imec_counter6 #(
	int unsigned  N
)(
	input	logic [N-1:0]  d,
	output	logic [2:0]  n
);
	initial begin
		if(N < 1 || N > 6)  $error("%m: N=%0d must be 1 to 6.", N);
	end

	// Bit k of the number of ones in each of the 64 inputs
	function automatic logic [63:0] ones(input int unsigned  k);
		for(int unsigned  i = 0; i < 64; i++)  ones[i] = 1'($countones(i) >> k);
	endfunction : ones

	if(N <= 3) begin : genLogic
		uwire [2:0]  x = 3'(d);
		assign	n = { 1'b0, (x[0] & x[1]) | (x[1] & x[2]) | (x[0] & x[2]), ^x };
	end : genLogic
	else begin : genLut
		for(genvar  k = 0; k < 3; k++) begin : genBit
			imec_lut6 #(.INIT(ones(k))) lut(.i(6'(d)), .o(n[k]));
		end : genBit
	end : genLut

endmodule : imec_counter6
