/****************************************************************************
 * @brief	Whole windows of a streaming convolution, for SIMD > channels.
 *
 * @description
 *	Takes pixels in raster order and reads each window in SF words, NF times:
 *
 *	  q <- word s of the window, s < SF, in (kh, kw, c) order    if rvld
 *
 *	  pixel  +-------+ column            +-------+ window            +------+ word
 *	  ------>| lines |-------->[queue]-->| chain |-------->[queue]-->| hold |--||--> q
 *	         +-------+                   +-------+                   +------+
 *
 *	lines	column x of the rows above, one memory word. With an arriving pixel it is
 *		the next column of the window. Without its oldest pixel, and with the new
 *		one, it is written back in the same cycle:
 *
 *		     x                            K_H = 3
 *		 . . o . . .   above[1]  -->      column[0]
 *		 . . o . . .   above[0]  -->      column[1],  new above[1]
 *		 . . * . . .   pixel     -->      column[2],  new above[0]
 *
 *		In rows that end no window, nothing else happens.
 *	queue	of columns lets the lines run ahead: into the next frame, and through rows
 *		that a stride skips. The queue of windows lets the chain run ahead, also at
 *		the start of a row. COLUMNS = 0, WINDOWS = 0: wires.
 *	chain	the columns before the newest, in registers where a window reads them.
 *		A column that ends no window just moves in; one that does waits until
 *		the whole window it completes is taken.
 *	hold	the window being read, while the chain moves on to the next one. With
 *		SF = 1 the output register q is the hold.
 *
 *	The next window is taken in the cycle of the last read of the one before; with
 *	SF = 1 and NF > 1 in the cycle of its own first read, into q.
 *	The unit never waits for a pixel outside the window, so the last frame completes
 *	without further input.
 *
 *	Input moves on while en is low, until a window waits. Does not pad; does not
 *	compute depthwise layers, whose folds read different channels.
 ***************************************************************************/
module imec_window #(
	int unsigned  WIDTH,	// bits of a pixel
	int unsigned  H,
	int unsigned  W,
	int unsigned  K_H,
	int unsigned  K_W,
	int unsigned  S_H,
	int unsigned  S_W,
	int unsigned  D_H,
	int unsigned  D_W,
	int unsigned  SF,
	int unsigned  NF,
	int unsigned  COLUMNS,	// that may wait in their queue
	int unsigned  WINDOWS,
	parameter     RAM_STYLE = "auto",	// of the lines: auto, distributed, block, ultra

	localparam int unsigned  COLUMN      = K_H*WIDTH,
	localparam int unsigned  WORD        = K_W*COLUMN/SF,
	localparam int unsigned  WEIGHT_BITS = SF*NF > 1? $clog2(SF*NF) : 1
)(
	input	logic  clk,
	input	logic  rst,

	// Pipeline enable: nothing is read while low
	input	logic  en,

	// Pixels
	input	logic  ivld,
	output	logic  irdy,
	input	logic [WIDTH-1:0]  idat,

	// Weight memory; reads wait for its word
	input	logic  wvld,
	output	logic [WEIGHT_BITS-1:0]  weight_addr,

	// Word read in this cycle, q in the next
	output	logic  rvld,
	output	logic  rfirst,	// first word of a fold
	output	logic  rlast,	// last word of a fold
	output	logic [WORD-1:0]  q
);
	if(K_W*COLUMN % SF != 0)  $error("SF=%0d must divide the %0d bits of a window.", SF, K_W*COLUMN);

	//-----------------------------------------------------------------------
	// Lines
	localparam int unsigned  X_BITS = W > 1? $clog2(W) : 1;
	localparam int unsigned  SPAN_H = (K_H-1)*D_H + 1;
	localparam int unsigned  SPAN_W = (K_W-1)*D_W + 1;
	uwire  in = ivld && irdy;
	uwire  row_end, row_hit, in_hit;
	uwire [X_BITS-1:0]  x;
	imec_axis #(.N(W), .SPAN(SPAN_W), .STRIDE(S_W)) across(.clk, .rst, .en(in), .left(x), .last(row_end), .hit(in_hit));
	imec_axis #(.N(H), .SPAN(SPAN_H), .STRIDE(S_H)) down(.clk, .rst, .en(in && row_end), .left(), .last(), .hit(row_hit));

	uwire [K_H-1:0][WIDTH-1:0]  icol;	// top pixel first
	if(K_H == 1) begin : genNoLines
		assign	icol = idat;
	end : genNoLines
	else begin : genLines
		localparam int unsigned  ROWS = SPAN_H - 1;
		uwire [ROWS:0][WIDTH-1:0]  rows_at_x;	// newest first
		assign	rows_at_x[0] = idat;
		for(genvar  k = 0; k < K_H; k++) begin : genTap
			assign	icol[K_H-1-k] = rows_at_x[k*D_H];
		end : genTap

		if(W == 1) begin : genRegister
			logic [ROWS-1:0][WIDTH-1:0]  Above;
			always_ff @(posedge clk)  if(in)  Above <= rows_at_x[ROWS-1:0];
			assign	rows_at_x[ROWS:1] = Above;
		end : genRegister
		else if(RAM_STYLE == "block" || RAM_STYLE == "ultra") begin : genBlock
			// Read one column ahead of at least two: never the one being written
			(* ram_style = RAM_STYLE *)
			logic [ROWS*WIDTH-1:0]  Mem[W];
			logic [ROWS*WIDTH-1:0]  Above;
			uwire [X_BITS-1:0]  ahead = row_end? X_BITS'(W-1) : x - 1'b1;
			always_ff @(posedge clk) begin
				if(in) begin
					Above  <= Mem[ahead];
					Mem[x] <= rows_at_x[ROWS-1:0];
				end
			end
			assign	rows_at_x[ROWS:1] = Above;
		end : genBlock
		else begin : genDistributed
			(* ram_style = RAM_STYLE *)
			logic [ROWS*WIDTH-1:0]  Mem[W];
			always_ff @(posedge clk)  if(in)  Mem[x] <= rows_at_x[ROWS-1:0];
			assign	rows_at_x[ROWS:1] = Mem[x];
		end : genDistributed
	end : genLines

	//-----------------------------------------------------------------------
	// Queue of columns
	uwire  cvld, crdy, irow_rdy;
	uwire [K_H-1:0][WIDTH-1:0]  col;
	imec_queue #(.DEPTH(COLUMNS), .WIDTH(COLUMN)) columns(
		.clk, .rst, .ivld(ivld && row_hit), .irdy(irow_rdy), .idat(icol), .ovld(cvld), .ordy(crdy), .odat(col)
	);
	assign	irdy = irow_rdy || !row_hit;

	uwire  hit;	// the column completes a window
	if(COLUMNS == 0) begin : genAtInput
		assign	hit = in_hit;
	end : genAtInput
	else begin : genAtQueue
		imec_axis #(.N(W), .SPAN(SPAN_W), .STRIDE(S_W)) queued(.clk, .rst, .en(cvld && crdy), .left(), .last(), .hit);
	end : genAtQueue

	//-----------------------------------------------------------------------
	// Chain
	uwire [K_W-1:0][K_H-1:0][WIDTH-1:0]  tap;	// columns of the window, newest first
	uwire [K_H-1:0][K_W-1:0][WIDTH-1:0]  window;
	assign	tap[0] = col;
	for(genvar  k = 0; k < K_W; k++) begin : genColumn
		if(k > 0) begin : genOlder
			imec_delay #(.WIDTH(COLUMN), .STEPS(D_W)) delay(.clk, .en(cvld && crdy), .d(tap[k-1]), .q(tap[k]));
		end : genOlder
		for(genvar  r = 0; r < K_H; r++) begin : genRow
			assign	window[r][K_W-1-k] = tap[k][r];
		end : genRow
	end : genColumn

	//-----------------------------------------------------------------------
	// Queue of windows
	uwire  hvld, hrdy, window_rdy;
	uwire [K_W*COLUMN-1:0]  hdat;
	imec_queue #(.DEPTH(WINDOWS), .WIDTH(K_W*COLUMN)) windows(
		.clk, .rst, .ivld(cvld && hit), .irdy(window_rdy), .idat(window), .ovld(hvld), .ordy(hrdy), .odat(hdat)
	);
	assign	crdy = window_rdy || !hit;

	//-----------------------------------------------------------------------
	// Hold
	localparam int unsigned  WORD_BITS = SF > 1? $clog2(SF) : 1;
	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1;
	uwire  rd, word_last, fold_last;
	uwire [WORD_BITS-1:0]  words_left;
	uwire [FOLD_BITS-1:0]  folds_left;
	imec_counter #(.N(SF)) word(.clk, .rst, .en(rd),              .left(words_left), .last(word_last));
	imec_counter #(.N(NF)) fold(.clk, .rst, .en(rd && word_last), .left(folds_left), .last(fold_last));
	uwire  window_end = word_last && fold_last;

	logic [WORD-1:0]  Q;
	if(SF == 1) begin : genWhole
		uwire  start = folds_left == FOLD_BITS'(NF-1);
		assign	hrdy = en && wvld && start;
		assign	rd   = en && wvld && (hvld || !start);
		always_ff @(posedge clk)  if(en && start)  Q <= hdat;
	end : genWhole
	else begin : genHold
		logic  Full = 0;
		logic [SF-1:0][WORD-1:0]  Window;
		assign	rd   = en && wvld && Full;
		assign	hrdy = !Full || (rd && window_end);
		always_ff @(posedge clk) begin
			if(rst)        Full <= 0;
			else if(hrdy)  Full <= hvld;
			if(hrdy)       Window <= hdat;
			if(en)         Q <= Window[WORD_BITS'(SF-1) - words_left];
		end
	end : genHold

	logic [WEIGHT_BITS-1:0]  WeightAddr = '0;
	always_ff @(posedge clk) begin
		if(rst)      WeightAddr <= '0;
		else if(rd)  WeightAddr <= window_end? '0 : WeightAddr + 1'b1;
	end
	assign	weight_addr = WeightAddr;

	assign	rvld   = rd;
	assign	rfirst = words_left == WORD_BITS'(SF-1);
	assign	rlast  = word_last;
	assign	q = Q;

endmodule : imec_window
