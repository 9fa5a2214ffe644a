/****************************************************************************
 * @brief	Compressor tree: sum of bits of different weights.
 *
 * @description
 *	y = sum_c 2^c * (number of ones among the HEIGHT[c] bits of column c)
 *
 *	d holds the columns in order, column 0 in the least significant bits. Levels of
 *	counters reduce the columns until two rows are left for a carry chain:
 *
 *	  highest column   level                                       LUTs
 *	   > 3             7:3 counters, 3:2 for a remainder of 3, 4   2 per 7:3, 1 per 3:2
 *	   3               3:2 and 2:2 counters, only where needed     1 per counter
 *	   <= 2            addition                                    1 per bit
 *
 *	           . . o o o o o .            o o o . .             . .
 *	             . o o o o        7:3     o o o o     3:2, 2:2  o o o o o
 *	               o o o          ---->     o o       ------>   o o o o o
 *	               o o o
 *
 *	COUNTER 6 takes 6:3 counters of three LUTs instead, faster by a carry chain.
 *
 *	Combinational but for two optional registers: CUT puts one before the first level
 *	whose highest column has at most CUT bits, ROWS one before the addition. Drops carries
 *	out of the top column, so COLS must hold the sum.
 ***************************************************************************/
module imec_compress import imec_pkg::*; #(
	int unsigned  COLS,
	heights_t  HEIGHT,
	int unsigned  CUT = 0,	// 0 for none
	bit  ROWS = 0,
	int unsigned  COUNTER = 7,	// bits that the largest counters take, 6 or 7
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  BITS = bits_below(HEIGHT, COLS)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [BITS-1:0]  d,
	output	logic [COLS-1:0]  y
);
	if(COUNTER != 6 && COUNTER != 7)  $error("COUNTER=%0d must be 6 or 7.", COUNTER);

	function automatic int unsigned highest();
		automatic bit [15:0]  h = 0;
		for(int unsigned  c = 0; c < COLS; c++)  if(HEIGHT[c] > h)  h = HEIGHT[c];
		return  32'(h);
	endfunction : highest
	localparam int unsigned  HIGHEST = highest();

	localparam bit  HERE = CUT != 0 && HIGHEST <= CUT;
	uwire [BITS-1:0]  x;
	imec_delay #(.WIDTH(BITS), .STEPS(32'(HERE))) cut(.clk, .en, .d, .q(x));

	// Counters of column c on this level, by their number of inputs
	localparam bit [15:0]  FULL_BITS = 16'(COUNTER);
	localparam heights_t  FULL = fulls();
	localparam heights_t  THREE = threes();
	localparam heights_t  TWO   = twos();
	function automatic heights_t fulls();
		automatic heights_t  n = '0;
		for(int unsigned  c = 0; c < COLS; c++)  if(HIGHEST > 3)  n[c] = (HEIGHT[c] + FULL_BITS - 16'd5) / FULL_BITS;
		return  n;
	endfunction : fulls
	function automatic heights_t threes();
		automatic heights_t  n = '0;
		automatic bit  carry = 0;
		for(int unsigned  c = 0; c < COLS; c++) begin
			if(HIGHEST > 3)  n[c] = 16'(HEIGHT[c] % FULL_BITS == 16'd3 || HEIGHT[c] % FULL_BITS == 16'd4);
			else begin
				n[c] = 16'(HEIGHT[c] == 16'd3 && carry);
				carry = HEIGHT[c] + 16'(carry) > 16'd2;
			end
		end
		return  n;
	endfunction : threes
	function automatic heights_t twos();
		automatic heights_t  n = '0;
		automatic bit  carry = 0;
		for(int unsigned  c = 0; c < COLS; c++) begin
			carry = HEIGHT[c] + 16'(carry) > 16'd2;
			n[c] = 16'(HIGHEST == 3 && carry && THREE[c] == 16'd0);
		end
		return  n;
	endfunction : twos

	// Bits of column c that go to the next level uncounted, and the heights of that level
	function automatic int unsigned passed(input int unsigned  c);
		automatic int unsigned  taken = COUNTER*32'(FULL[c]) + 3*32'(THREE[c]) + 2*32'(TWO[c]);
		return  32'(HEIGHT[c]) > taken? 32'(HEIGHT[c]) - taken : 0;
	endfunction : passed
	function automatic int unsigned counters(input int unsigned  c);
		return  32'(FULL[c]) + 32'(THREE[c]) + 32'(TWO[c]);
	endfunction : counters
	function automatic heights_t next();
		automatic heights_t  h = '0;
		for(int unsigned  c = 0; c < COLS; c++) begin
			h[c] = 16'(passed(c) + counters(c)
				+ (c > 0? counters(c-1) : 0)
				+ (c > 1? 32'(FULL[c-2]) : 0));
		end
		return  h;
	endfunction : next
	localparam heights_t  NEXT = next();

	if(HIGHEST <= 2) begin : genAdd
		uwire [1:0][COLS-1:0]  row;
		for(genvar  c = 0; c < COLS; c++) begin : genColumn
			for(genvar  r = 0; r < 2; r++) begin : genRow
				if(r < HEIGHT[c]) begin : genBit
					assign	row[r][c] = x[bits_below(HEIGHT, c) + r];
				end : genBit
				else begin : genZero
					assign	row[r][c] = 1'b0;
				end : genZero
			end : genRow
		end : genColumn
		uwire [1:0][COLS-1:0]  term;
		imec_delay #(.WIDTH(2*COLS), .STEPS(32'(ROWS))) rows(.clk, .en, .d(row), .q(term));
		assign	y = term[0] + term[1];
	end : genAdd
	else begin : genLevel
		localparam int unsigned  NEXT_BITS = bits_below(NEXT, COLS);
		uwire [NEXT_BITS-1:0]  q;
		for(genvar  c = 0; c < COLS; c++) begin : genColumn
			localparam int unsigned  BASE  = bits_below(HEIGHT, c);
			localparam int unsigned  FULLS = 32'(FULL[c]);
			localparam int unsigned  PASS  = passed(c);
			// Where in q this column's ones, twos, fours and uncounted bits go
			localparam int unsigned  ONES  = bits_below(NEXT, c);
			localparam int unsigned  TWOS  = c+1 < COLS? bits_below(NEXT, c+1) + counters(c+1) : 0;
			localparam int unsigned  FOURS = c+2 < COLS? bits_below(NEXT, c+2) + counters(c+2) + counters(c+1) : 0;
			localparam int unsigned  REST  = bits_below(NEXT, c+1) - PASS;

			for(genvar  i = 0; i < counters(c); i++) begin : genCounter
				localparam int unsigned  FROM = COUNTER*(i < FULLS? i : FULLS);
				localparam int unsigned  LEFT = 32'(HEIGHT[c]) - FROM;
				localparam int unsigned  TAKE = i < FULLS? (LEFT < COUNTER? LEFT : COUNTER) : THREE[c] != 16'd0 ? 3 : 2;
				uwire [2:0]  n;
				imec_counter7 #(.N(TAKE), .CHAIN(COUNTER == 7), .PRIMITIVES(PRIMITIVES)) counter(.d(x[BASE + FROM +: TAKE]), .n);
				assign	q[ONES + i] = n[0];
				if(c+1 < COLS) begin : genTwo
					assign	q[TWOS + i] = n[1];
				end : genTwo
				if(c+2 < COLS && i < FULLS) begin : genFour
					assign	q[FOURS + i] = n[2];
				end : genFour
			end : genCounter

			if(PASS > 0) begin : genPass
				assign	q[REST +: PASS] = x[bits_below(HEIGHT, c+1)-1 -: PASS];
			end : genPass
		end : genColumn

		imec_compress #(
			.COLS(COLS), .HEIGHT(NEXT), .CUT(HERE? 0 : CUT), .ROWS(ROWS), .COUNTER(COUNTER), .PRIMITIVES(PRIMITIVES)
		) level(.clk, .en, .d(q), .y);
	end : genLevel

endmodule : imec_compress
