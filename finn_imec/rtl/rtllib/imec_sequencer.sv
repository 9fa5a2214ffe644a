/****************************************************************************
 * @brief	Schedule of a streaming convolution over an in-place line buffer.
 *
 * @description
 *	for row < OH, column < OW:                        one window each
 *	  for fold < NF:                                  one neuron fold each
 *	    for outer < OUTER, inner < INNER, run < RUN:  one buffer word each
 *	      read  buffer[base + offset mod DEPTH]
 *	  base += ADVANCE_{COLUMN, ROW, FRAME}            words that are retired
 *
 *	   base                                           base + LIVE-1
 *	    |<- RUN ->|                                           |
 *	    oooooooooo|----INNER_STEP--->oooooooooo| ... oooooooooo ......
 *	    ^ last fold: ADVANCE words from here on are retired, |<- SLACK ->|
 *	      and input words take their places                  = DEPTH - LIVE
 *
 *	A slot whose word is retired, or was never written, is owed; input words fill owed
 *	slots in raster order. A window starts when at most SLACK slots are owed: then all
 *	its words are in the buffer. Once started, it never waits for input, so that the
 *	last frame completes without further input. Debt is the number of slots owed beyond
 *	the slack, minus one: its sign bit is the test.
 *
 *	A fold reads all words of the window or, if DEPTHWISE, one word of each pixel.
 *
 *	DUAL_PORT = 0: the buffer has one port and no slack. The last fold retires the words
 *	of the first run as it reads them, and an input word that waits takes the place of
 *	each in the same cycle. Words retired unread, or while no input word waits, are
 *	replaced in write-only cycles, which hold the reads. If DEPTHWISE, every fold
 *	retires words. With LIVE = DEPTH the return to the window's start is a step of +1,
 *	like the next word of a run.
 *
 *	DUAL_PORT = 1: all words to retire are owed from the first read of the last fold on.
 *	The writer then follows the reader: it takes at most one word per cycle from base
 *	on, while the reader is one word ahead and never steps by less than one.
 *
 *	BANKED = 1: the two ports are those of two banks, see imec_banks. The bank of a word is
 *	the parity of its pixel's number plus its own within the pixel:
 *
 *	        SKEW = 0                     SKEW = 2: pixels of 4 words
 *	  word  0 1 2 3 4 5 6 7 8 ...        0 1 2 3 | 4 5 6 7 | 8 ...
 *	  bank  0 1 0 1 0 1 0 1 0 ...        0 1 0 1 | 1 0 1 0 | 0 ...
 *
 *	Words that follow each other within a pixel, and those with the same number in pixels
 *	that follow each other, are in different banks. SKEW is the address bit that tells even
 *	from odd pixels; 0 if pixels have an odd number of words. In strip_addr the bank takes the
 *	place of the lowest bit. An input word waits while its bank is read; where nothing is
 *	read until it is written, strip_addr names the other bank.
 *
 *	Invariant: writer address = base + DEPTH - owed (mod DEPTH) between windows.
 *
 *	The loops run one word ahead of the reads. What they say of the next read is in
 *	registers, so that the handshakes wait for no counter and the memories get their
 *	addresses from registers:
 *
 *	  +-------+        +------+  address, first, last, ...
 *	  | loops |------->| Next |-----------------------------> read, write
 *	  +-------+        +------+                                  ^
 *	                                        owed slots ----------+
 *
 *	Does not see data; counts words, not pixels.
 ***************************************************************************/
module imec_sequencer #(
	int unsigned  DEPTH,	// words of the line buffer
	int unsigned  LIVE,	// words of a window, from its first to its last
	bit  DUAL_PORT,
	bit  BANKED = 0,	// the ports are those of two banks
	int unsigned  SKEW = 0,	// lowest bit of a pixel's number in an address
	int unsigned  RUN,
	int unsigned  INNER,
	int unsigned  INNER_STEP,
	int unsigned  OUTER,
	int unsigned  OUTER_STEP,
	int unsigned  NF,
	int unsigned  FOLD_STEP,	// from the last word of a fold to the first of the next, modulo DEPTH
	bit  DEPTHWISE,	// each fold reads its own words
	int unsigned  OW,
	int unsigned  OH,
	int unsigned  ADVANCE_COLUMN,
	int unsigned  ADVANCE_ROW,
	int unsigned  ADVANCE_FRAME,

	localparam int unsigned  ADDR_BITS   = DEPTH > 1? $clog2(DEPTH) : 1,
	localparam int unsigned  WEIGHTS     = NF*OUTER*INNER*RUN,
	localparam int unsigned  WEIGHT_BITS = WEIGHTS > 1? $clog2(WEIGHTS) : 1
)(
	input	logic  clk,
	input	logic  rst,

	// Pipeline enable: nothing moves while low
	input	logic  en,

	// Input stream handshake
	input	logic  ivld,
	output	logic  irdy,

	// Line buffer; write_addr is for the second port
	output	logic [ADDR_BITS-1:0]  strip_addr,
	output	logic [ADDR_BITS-1:0]  write_addr,
	output	logic  strip_we,

	// Weight memory; reads wait for its word
	input	logic  wvld,
	output	logic [WEIGHT_BITS-1:0]  weight_addr,

	// Word read in this cycle
	output	logic  rvld,
	output	logic  rfirst,	// first word of a fold
	output	logic  rlast	// last word of a fold
);
	function int unsigned min(input int unsigned  a, input int unsigned  b);
		return  a < b? a : b;
	endfunction : min
	function int unsigned max(input int unsigned  a, input int unsigned  b);
		return  a > b? a : b;
	endfunction : max
	localparam int unsigned  SLACK = DEPTH - LIVE;

	if(LIVE < RUN)  $error("LIVE=%0d must be at least RUN=%0d.", LIVE, RUN);
	if(DEPTH < LIVE)  $error("DEPTH=%0d must be at least LIVE=%0d.", DEPTH, LIVE);
	if(!DUAL_PORT && SLACK > 0)  $error("DEPTH=%0d must be LIVE=%0d with one port.", DEPTH, LIVE);
	if(BANKED && (DEPTH < 4 || DEPTH % 2**(SKEW+1) != 0))
		$error("DEPTH=%0d must be a multiple of %0d, and at least 4.", DEPTH, 2**(SKEW+1));
	if(BANKED && !DUAL_PORT)  $error("BANKED=%0d must be 0 with one port.", BANKED);
	if(min(min(ADVANCE_COLUMN, ADVANCE_ROW), ADVANCE_FRAME) < 1)  $error("every window must advance.");

	uwire  rd;	// a word is read
	logic  Vld = 0;	// Next holds a word
	uwire  load = rd || !Vld;
	always_ff @(posedge clk)  Vld <= !rst;

	//-----------------------------------------------------------------------
	// Loop nest
	uwire  run_last, inner_last, outer_last, fold_last, column_last, row_last;
	uwire  fold_end   = run_last && inner_last && outer_last;
	uwire  window_end = fold_end && fold_last;

	localparam int unsigned  RUN_BITS = RUN > 1? $clog2(RUN) : 1;
	uwire [RUN_BITS-1:0]  run_left;
	imec_counter #(.N(RUN))   run   (.clk, .rst, .en(load),                             .left(run_left), .last(run_last));
	imec_counter #(.N(INNER)) inner (.clk, .rst, .en(load && run_last),                 .left(),         .last(inner_last));
	imec_counter #(.N(OUTER)) outer (.clk, .rst, .en(load && run_last && inner_last),   .left(),         .last(outer_last));
	imec_counter #(.N(NF))    fold  (.clk, .rst, .en(load && fold_end),                 .left(),         .last(fold_last));
	imec_counter #(.N(OW))    column(.clk, .rst, .en(load && window_end),               .left(),         .last(column_last));
	imec_counter #(.N(OH))    row   (.clk, .rst, .en(load && window_end && column_last),.left(),         .last(row_last));

	localparam int unsigned  BACK = SLACK + 1;	// from a window's last word to its first
	localparam int unsigned  STEPS = FOLD_STEP == 1? 6 : 7;
	uwire [2:0]  step =
		!run_last?   0 :
		!inner_last? 1 :
		!outer_last? 2 :
		!fold_last?  (FOLD_STEP == 1? 0 : 6) :
		!column_last? 3 : !row_last? 4 : 5;
	uwire [ADDR_BITS-1:0]  addr;
	imec_ring #(.DEPTH(DEPTH), .STEPS(STEPS), .STEP((32*STEPS)'({
		FOLD_STEP,
		(ADVANCE_FRAME + BACK) % DEPTH, (ADVANCE_ROW + BACK) % DEPTH, (ADVANCE_COLUMN + BACK) % DEPTH,
		OUTER_STEP % DEPTH, INNER_STEP % DEPTH, 1 % DEPTH
	}))) reader(.clk, .rst, .en(load), .sel(step), .addr);

	//-----------------------------------------------------------------------
	// Next read
	logic [ADDR_BITS-1:0]  ReadAddr;
	logic  FoldStart, FoldEnd;	// first, last of its fold
	logic  WindowStart, WindowEnd;	// ... of its window
	logic  FoldLast;	// in the last fold
	logic  ColumnLast, RowLast;	// in the last window of its row, of the last row
	always_ff @(posedge clk) begin
		if(load) begin
			ReadAddr   <= addr;
			FoldEnd    <= fold_end;
			WindowEnd  <= window_end;
			FoldLast   <= fold_last;
			ColumnLast <= column_last;
			RowLast    <= row_last;
		end
		if(rst) begin
			FoldStart   <= 1;
			WindowStart <= 1;
		end
		else if(rd) begin
			FoldStart   <= FoldEnd;
			WindowStart <= WindowEnd;
		end
	end

	//-----------------------------------------------------------------------
	// Owed slots
	localparam int unsigned  DEBT_MAX  = max(max(DEPTH, ADVANCE_COLUMN), max(ADVANCE_ROW, ADVANCE_FRAME));
	localparam int unsigned  DEBT_BITS = 1 + $clog2(DEBT_MAX + 1);
	typedef logic signed [DEBT_BITS-1:0]  debt_t;

	debt_t  Debt;
	debt_t  charge;	// change of Debt without miss
	uwire   miss;	// one more owed slot, as the carry in
	debt_t  debt;	// next Debt
	logic  carried;
	assign	{ debt, carried } = { Debt, 1'b1 } + { charge, miss };
	always_ff @(posedge clk) begin
		if(rst)      Debt <= debt_t'(LIVE - 1);
		else if(en)  Debt <= debt;
	end
	uwire  owing = !Debt[DEBT_BITS-1];
	uwire  incomplete = owing && WindowStart;
	uwire  go = en && wvld && Vld;	// the reader does not wait for a word or for what follows it

	if(DUAL_PORT) begin : genDualPort
		assign	rd   = go && !incomplete;
		if(!BANKED)  assign  irdy = en && ((wvld && Vld) || incomplete) && (SLACK == 0? owing : Debt != debt_t'(-1 - int'(SLACK)));
		else begin : genBanked
			logic  ReadBank;	// of the next read
			logic  WriteBank;	// of the next write
			uwire  skip;	// the word after it is in the same bank
			if(SKEW == 0)  assign  skip = 1'b0;
			else           assign  skip = &write_addr[SKEW-1:0];
			always_ff @(posedge clk) begin
				if(load)  ReadBank <= addr[0] ^ (SKEW > 0? addr[SKEW] : 1'b0);
				if(rst)            WriteBank <= 0;
				else if(strip_we)  WriteBank <= WriteBank == skip;
			end
			uwire  room = SLACK == 0? owing : Debt != debt_t'(-1 - int'(SLACK));
			assign	irdy = en && room && ((wvld && Vld && WriteBank != ReadBank) || incomplete);
			assign	strip_addr = { ReadAddr[ADDR_BITS-1:1], incomplete? !WriteBank : ReadBank };
		end : genBanked

		uwire  taken = ivld && irdy;
		always_comb begin
			charge = taken? '1 : '0;
			if(rd && FoldStart && FoldLast) begin
				charge =
					!ColumnLast? (taken? debt_t'(ADVANCE_COLUMN - 1) : debt_t'(ADVANCE_COLUMN)) :
					!RowLast?    (taken? debt_t'(ADVANCE_ROW    - 1) : debt_t'(ADVANCE_ROW)) :
					             (taken? debt_t'(ADVANCE_FRAME  - 1) : debt_t'(ADVANCE_FRAME));
			end
		end
		assign	miss = 1'b0;
		if(!BANKED)  assign  strip_addr = ReadAddr;
	end : genDualPort
	else begin : genSinglePort
		// Words of the first run that are retired as they are read; the window's others are owed
		localparam int unsigned  DIE_FOLDS  = DEPTHWISE? NF : 1;
		localparam int unsigned  DIE_COLUMN = min(RUN, ADVANCE_COLUMN);
		localparam int unsigned  DIE_ROW    = min(RUN, ADVANCE_ROW);
		localparam int unsigned  DIE_FRAME  = min(RUN, ADVANCE_FRAME);
		if(DIE_FOLDS*DIE_COLUMN > ADVANCE_COLUMN || DIE_FOLDS*DIE_ROW > ADVANCE_ROW || DIE_FOLDS*DIE_FRAME > ADVANCE_FRAME)
			$error("NF=%0d folds of RUN=%0d free more words than a window advances by.", NF, RUN);

		logic  Head;	// the loops are in the first run of a fold
		logic  Dies;	// the next read retires its word
		uwire  in_column = run_left >= RUN_BITS'(RUN - DIE_COLUMN);
		uwire  in_row    = run_left >= RUN_BITS'(RUN - DIE_ROW);
		uwire  in_frame  = run_left >= RUN_BITS'(RUN - DIE_FRAME);
		always_ff @(posedge clk) begin
			if(rst)                    Head <= 1;
			else if(load && run_last)  Head <= fold_end;
			if(load) begin
				Dies <= (DEPTHWISE || fold_last) && Head && (
					!column_last? in_column : !row_last? in_row : in_frame
				);
			end
		end

		uwire  write_only = owing && ivld;
		assign	rd   = go && !write_only && !incomplete;
		assign	irdy = en && (owing || (wvld && Vld && Dies));

		always_comb begin
			charge = '0;
			if(rd && WindowEnd) begin
				charge =
					!ColumnLast? debt_t'(ADVANCE_COLUMN - DIE_FOLDS*DIE_COLUMN) :
					!RowLast?    debt_t'(ADVANCE_ROW    - DIE_FOLDS*DIE_ROW) :
					             debt_t'(ADVANCE_FRAME  - DIE_FOLDS*DIE_FRAME);
			end
			if(write_only)  charge = '1;
		end
		assign	miss = rd && Dies && !ivld;
		assign	strip_addr = write_only? write_addr : ReadAddr;
	end : genSinglePort

	//-----------------------------------------------------------------------
	// Addresses that count up
	logic [  ADDR_BITS-1:0]  WriteAddr = '0;
	logic [WEIGHT_BITS-1:0]  WeightAddr = '0;
	always_ff @(posedge clk) begin
		if(rst) begin
			WriteAddr  <= '0;
			WeightAddr <= '0;
		end
		else begin
			if(strip_we)  WriteAddr  <= WriteAddr == ADDR_BITS'(DEPTH-1)? '0 : WriteAddr + 1'b1;
			if(rd)        WeightAddr <= WindowEnd? '0 : WeightAddr + 1'b1;
		end
	end
	assign	write_addr  = WriteAddr;
	assign	strip_we    = ivld && irdy;
	assign	weight_addr = WeightAddr;

	assign	rvld   = rd;
	assign	rfirst = FoldStart;
	assign	rlast  = FoldEnd;

endmodule : imec_sequencer
