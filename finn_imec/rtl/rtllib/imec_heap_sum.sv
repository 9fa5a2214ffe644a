/****************************************************************************
 * @brief	Pipelined sum of many unsigned words.
 *
 * @description
 *	y = sum_i d[i]  from ceil(log4(N)) cycles with en high before
 *
 *	That of imec_sum, as late, by a compressor tree: of 32 words of 7 bits 124 LUTs instead of 243.
 *
 *	       +----------+     +----------+     +-----+
 *	  d -->| counters |-||->| counters |-||->|  +  |-||--> y
 *	       +----------+     +----------+     +-----+
 *
 *	The register between counters is before the first level whose highest column has at most
 *	7 bits, or 4 without a register before the addition. Up to 16 words have no time for
 *	that one; more than 64 have further ones at y.
 *
 *	Takes no fewer than 5 words: a single step has no time for counters.
 ***************************************************************************/
module imec_heap_sum import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  BITS,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = BITS + $clog2(N)
)(
	input	logic  clk,

	input	logic  en,
	input	logic [N-1:0][BITS-1:0]  d,
	output	logic [Y_BITS-1:0]  y
);
	if(N < 5)  $error("N=%0d must be at least 5.", N);
	localparam int unsigned  STEPS = ($clog2(N) + 1) / 2;
	localparam bit  ROWS = STEPS > 2;

	function automatic heights_t heights();
		automatic heights_t  h = '0;
		for(int unsigned  c = 0; c < BITS; c++)  h[c] = 16'(N);
		return  h;
	endfunction : heights

	uwire [BITS-1:0][N-1:0]  columns;
	for(genvar  c = 0; c < BITS; c++) begin : genColumn
		for(genvar  i = 0; i < N; i++) begin : genBit
			assign	columns[c][i] = d[i][c];
		end : genBit
	end : genColumn

	uwire [Y_BITS-1:0]  sum;
	imec_compress #(.COLS(Y_BITS), .HEIGHT(heights()), .CUT(ROWS? 7 : 4), .ROWS(ROWS), .PRIMITIVES(PRIMITIVES)) compress(
		.clk, .en, .d(columns), .y(sum)
	);
	imec_delay #(.WIDTH(Y_BITS), .STEPS(STEPS - 1 - 32'(ROWS))) last(.clk, .en, .d(sum), .q(y));

endmodule : imec_heap_sum
