/****************************************************************************
 * @brief	Schedule of a streaming convolution over an in-place strip.
 *
 * @description
 *	for row < OH, column < OW:                        one window each
 *	  for fold < NF:                                  one neuron fold each
 *	    for outer < OUTER, inner < INNER, run < RUN:  one strip word each
 *	      read  strip[base + offset mod DEPTH]
 *	  base += ADVANCE_{COLUMN, ROW, FRAME}            words that have died
 *
 *	The first and last word of a window are DEPTH-1 apart, so returning to its
 *	start for the next fold is a step of +1 modulo DEPTH, like the step to the
 *	next word of a run:
 *
 *	   base                                        base + DEPTH-1
 *	    |<- RUN ->|                                           |
 *	    oooooooooo|----INNER_STEP--->oooooooooo| ... oooooooooo
 *	    ^ first run of the last fold: ADVANCE words of it die as they are
 *	      read, and the input word that waits takes the place of each.
 *
 *	A word that dies unread, or while no input word waits, leaves a slot that is
 *	owed. Debt is the number of owed slots less one: negative means none, and
 *	the sign bit is the test. Owed slots are filled as soon as input arrives, in
 *	cycles that only write. A window starts when nothing is owed: then all its
 *	words are in the strip. Once started, it never waits for input, so that the
 *	last frame completes with no further input.
 *
 *	Invariant: writer address = base + DEPTH - owed (mod DEPTH) between windows.
 *
 *	Does not see data; does not know pixels, only words.
 ***************************************************************************/
module imec_sequencer #(
	int unsigned  DEPTH,	// strip words
	int unsigned  RUN,
	int unsigned  INNER,
	int unsigned  INNER_STEP,
	int unsigned  OUTER,
	int unsigned  OUTER_STEP,
	int unsigned  NF,
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

	// Strip memory
	output	logic [ADDR_BITS-1:0]  strip_addr,
	output	logic  strip_we,

	// Weight memory
	output	logic [WEIGHT_BITS-1:0]  weight_addr,

	// Word read in this cycle
	output	logic  rvld,
	output	logic  rfirst,	// first word of a fold
	output	logic  rlast	// last word of a fold
);
	// Words of the first run that die as they are read, and words that then are owed
	function int unsigned min(input int unsigned  a, input int unsigned  b);
		return  a < b? a : b;
	endfunction : min
	localparam int unsigned  DIE_COLUMN = min(RUN, ADVANCE_COLUMN);
	localparam int unsigned  DIE_ROW    = min(RUN, ADVANCE_ROW);
	localparam int unsigned  DIE_FRAME  = min(RUN, ADVANCE_FRAME);

	initial begin
		if(DEPTH < RUN)  $error("%m: DEPTH=%0d must be at least RUN=%0d.", DEPTH, RUN);
		if(min(min(min(RUN, INNER), min(OUTER, NF)), min(OW, OH)) < 1)  $error("%m: loop counts must be at least 1.");
		if(min(min(ADVANCE_COLUMN, ADVANCE_ROW), ADVANCE_FRAME) < 1)  $error("%m: every window must advance.");
	end

	uwire  rd;	// a word is read

	//-----------------------------------------------------------------------
	// Loop nest
	uwire  run_last, inner_last, outer_last, fold_last, column_last, row_last;
	uwire  fold_end   = run_last && inner_last && outer_last;
	uwire  window_end = fold_end && fold_last;

	localparam int unsigned  RUN_BITS = RUN > 1? $clog2(RUN) : 1;
	uwire [RUN_BITS-1:0]  run_left;
	imec_counter #(.N(RUN))   run   (.clk, .rst, .en(rd),                             .left(run_left), .last(run_last));
	imec_counter #(.N(INNER)) inner (.clk, .rst, .en(rd && run_last),                 .left(),         .last(inner_last));
	imec_counter #(.N(OUTER)) outer (.clk, .rst, .en(rd && run_last && inner_last),   .left(),         .last(outer_last));
	imec_counter #(.N(NF))    fold  (.clk, .rst, .en(rd && fold_end),                 .left(),         .last(fold_last));
	imec_counter #(.N(OW))    column(.clk, .rst, .en(rd && window_end),               .left(),         .last(column_last));
	imec_counter #(.N(OH))    row   (.clk, .rst, .en(rd && window_end && column_last),.left(),         .last(row_last));

	logic  FoldStart;	// the next read is the first of a fold
	logic  WindowStart;	// ... of a window
	logic  Head;     	// ... in the first run of a fold
	always_ff @(posedge clk) begin
		if(rst) begin
			FoldStart   <= 1;
			WindowStart <= 1;
			Head        <= 1;
		end
		else if(rd) begin
			FoldStart   <= fold_end;
			WindowStart <= window_end;
			if(run_last)  Head <= fold_end;
		end
	end

	//-----------------------------------------------------------------------
	// Does the word at the read address die when read now?
	uwire  in_column = run_left >= RUN_BITS'(RUN - DIE_COLUMN);
	uwire  in_row    = run_left >= RUN_BITS'(RUN - DIE_ROW);
	uwire  in_frame  = run_left >= RUN_BITS'(RUN - DIE_FRAME);
	uwire  dies = fold_last && Head && (
		!column_last? in_column : !row_last? in_row : in_frame
	);

	//-----------------------------------------------------------------------
	// Owed slots
	localparam int unsigned  OWE_COLUMN = ADVANCE_COLUMN - DIE_COLUMN;
	localparam int unsigned  OWE_ROW    = ADVANCE_ROW    - DIE_ROW;
	localparam int unsigned  OWE_FRAME  = ADVANCE_FRAME  - DIE_FRAME;
	function int unsigned max(input int unsigned  a, input int unsigned  b);
		return  a > b? a : b;
	endfunction : max
	localparam int unsigned  DEBT_MAX  = max(max(DEPTH, ADVANCE_COLUMN), max(ADVANCE_ROW, ADVANCE_FRAME));
	localparam int unsigned  DEBT_BITS = 1 + $clog2(DEBT_MAX + 1);

	logic signed [DEBT_BITS-1:0]  Debt;	// owed slots - 1
	uwire  owing = !Debt[DEBT_BITS-1];
	uwire  write_only = owing && ivld;
	uwire  miss = rd && dies && !ivld;

	logic signed [DEBT_BITS-1:0]  charge;	// change of Debt
	always_comb begin
		charge = '0;
		if(rd && window_end) begin
			charge = !column_last? DEBT_BITS'(OWE_COLUMN) : !row_last? DEBT_BITS'(OWE_ROW) : DEBT_BITS'(OWE_FRAME);
		end
		if(write_only)  charge = '1;
	end
	always_ff @(posedge clk) begin
		if(rst)      Debt <= DEBT_BITS'(DEPTH - 1);
		else if(en)  Debt <= Debt + charge + DEBT_BITS'(signed'({1'b0, miss}));
	end

	assign	rd   = en && !write_only && !(owing && WindowStart);
	assign	irdy = en && (owing || dies);

	//-----------------------------------------------------------------------
	// Addresses
	localparam int unsigned  STEPS = 6;
	uwire [2:0]  step =
		!run_last?   0 :
		!inner_last? 1 :
		!outer_last? 2 :
		!fold_last?  0 :
		!column_last? 3 : !row_last? 4 : 5;
	uwire [ADDR_BITS-1:0]  read_addr;
	imec_ring #(.DEPTH(DEPTH), .STEPS(STEPS), .STEP({
		(ADVANCE_FRAME+1) % DEPTH, (ADVANCE_ROW+1) % DEPTH, (ADVANCE_COLUMN+1) % DEPTH,
		OUTER_STEP % DEPTH, INNER_STEP % DEPTH, 1 % DEPTH
	})) reader (.clk, .rst, .en(rd), .sel(step), .addr(read_addr));

	logic [  ADDR_BITS-1:0]  WriteAddr = '0;
	logic [WEIGHT_BITS-1:0]  WeightAddr = '0;
	always_ff @(posedge clk) begin
		if(rst) begin
			WriteAddr  <= '0;
			WeightAddr <= '0;
		end
		else begin
			if(strip_we)  WriteAddr  <= WriteAddr == ADDR_BITS'(DEPTH-1)? '0 : WriteAddr + 1'b1;
			if(rd)        WeightAddr <= window_end? '0 : WeightAddr + 1'b1;
		end
	end
	assign	strip_addr  = write_only? WriteAddr : read_addr;
	assign	strip_we    = ivld && irdy;
	assign	weight_addr = WeightAddr;

	assign	rvld   = rd;
	assign	rfirst = FoldStart;
	assign	rlast  = fold_end;

endmodule : imec_sequencer
