/****************************************************************************
 * @brief	Multi-threshold activation of PE accumulators, by binary search.
 *
 * @description
 *	y = BIAS + #{ k : acc >= T[fold][pe][k] }         (FINN's MultiThreshold)
 *
 *	Each of ENGINES engines searches the thresholds of EACH = PE/ENGINES channels, the
 *	highest channel first, in ascending order, one bit of the count per step:
 *
 *	  for channel = EACH-1 .. 0:
 *	    count = 0
 *	    for b = BITS-1 .. 0:  if acc >= T[fold][channel][count + 2^b - 1]  count += 2^b
 *
 *	  acc --||-->[mux]--+
 *	               ^    +-->[>=]--> count --+--||--> counts of the channels before --+--> y
 *	            channel |        |          +------------------------------------------+
 *	             +-->[memory]<---+
 *	            fold
 *
 *	Word { fold, channel, c } of an engine's memory is threshold c-1 of its channel; no
 *	bits stand for a single fold or channel. Thresholds from STEPS on must never be
 *	reached; word 0 of a channel is not read.
 *
 *	READ = 0	TABLE in LUTs, one word of each engine a row. A step takes a cycle.
 *	READ = 1	a block RAM for each engine. A step takes two cycles, read and compare, and a
 *		channel one more to decide its last bit; READ = 2 waits another cycle for a
 *		register behind several rows of block RAM:
 *
 *		  cycle   1     2        3              4         2*BITS+1
 *		          read  compare  decide, read   compare   decide
 *
 *		FAST = 1 does all that in one cycle, for slow clocks.
 *
 *		FAST = 2 takes one cycle, too: while a threshold is compared, the two ports of the
 *		block RAM read both that may be next, and the result, in a register, picks one:
 *
 *		  Try | Bit/2         -->|        |-->\
 *		  Try - Bit + Bit/2   -->| memory |--> mux -->[acc >=]-||--> reached
 *		                                        ^--------------------'
 *
 *	TOP > 0		For FAST = 2, the block RAM lacks the TOP highest bits of a threshold, which
 *		would take one more; TABLE holds these in LUTs, TOP bits of each engine a row.
 *
 *	INIT_FILES are the file names of the engines' memories, all of the same length:
 *	{ .., name of engine 1, name of engine 0 }.
 *
 *	A result is taken while no other is being searched. It is offered in its last step and
 *	held until it is taken. The next one may be taken a cycle later.
 *
 *	Does not sort or check thresholds.
 ***************************************************************************/
module imec_threshold_search import imec_pkg::*; #(
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,	// thresholds per channel
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS = 0,
	int unsigned  ENGINES = PE,
	int unsigned  READ = 1,
	int unsigned  FAST = 0,	// ports of the block RAM by which a step takes one cycle; 0: it takes more
	parameter     INIT_FILES = "",
	int unsigned  TOP = 0,	// bits of a threshold that TABLE holds beside the block RAM
	int unsigned  ROWS = 1,	// of TABLE
	logic [ROWS-1:0][ENGINES*(TOP > 0? TOP : ACC_BITS)-1:0]  TABLE = '0,
	parameter     RAM_STYLE = "auto",	// auto, distributed, block, ultra
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	output	logic  next_irdy,	// irdy of the next cycle
	input	logic [FOLD_BITS-1:0]  fold,
	input	logic signed [PE-1:0][ACC_BITS-1:0]  acc,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [PE-1:0][O_BITS-1:0]  y
);
	localparam int unsigned  BITS = $clog2(STEPS+1);
	localparam int unsigned  EACH = PE / ENGINES;
	localparam int unsigned  CHANNEL_BITS = EACH > 1? $clog2(EACH) : 0;
	localparam int unsigned  DEPTH = NF << (CHANNEL_BITS + BITS);
	localparam int unsigned  ADDR_BITS = $clog2(DEPTH);
	if(STEPS < 1)  $error("STEPS=%0d must be at least 1.", STEPS);
	if(ENGINES < 1 || PE % ENGINES != 0)  $error("PE=%0d must be a multiple of ENGINES=%0d.", PE, ENGINES);
	if(READ > 2)  $error("READ=%0d must be 0, 1 or 2.", READ);
	if(FAST > 2)  $error("FAST=%0d must be 0, 1 or 2.", FAST);
	if(FAST > 0 && (READ != 1 || EACH > 1))  $error("FAST=%0d needs READ=%0d to be 1 and one of PE=%0d channels an engine.", FAST, READ, PE);
	if((READ == 0 || TOP > 0) && ROWS != DEPTH)  $error("ROWS=%0d must be %0d.", ROWS, DEPTH);
	if(TOP > 0 && (FAST != 2 || TOP >= ACC_BITS))
		$error("TOP=%0d must be below ACC_BITS=%0d, and needs FAST=%0d to be 2.", TOP, ACC_BITS, FAST);

	//-----------------------------------------------------------------------
	// Control
	logic [BITS-1:0]  Bit = '0;	// to be decided, one-hot; zero while idle
	localparam bit  PAUSED = READ > 0 && FAST == 0;	// a step takes several cycles
	uwire  decide;	// the bit is decided in this cycle
	uwire  channel_last;
	uwire [(EACH > 1? CHANNEL_BITS : 1)-1:0]  channel;
	uwire  start  = ivld && irdy;
	uwire  finish = decide && Bit[0] && channel_last;
	uwire  move   = decide && (!finish || ordy);
	uwire [BITS-1:0]  next_bit =
		start?   BITS'(1) << (BITS-1) :
		!move?   Bit :
		Bit[0] && !channel_last? BITS'(1) << (BITS-1) : Bit >> 1;
	always_ff @(posedge clk) begin
		if(rst)  Bit <= '0;
		else     Bit <= next_bit;
	end
	imec_counter #(.N(EACH)) channels(.clk, .rst, .en(move && Bit[0]), .left(channel), .last(channel_last));
	assign	irdy = Bit == '0;
	assign	next_irdy = next_bit == '0;
	assign	ovld = finish;

	if(PAUSED) begin : genPaused
		logic  Wait = 0, Compare = 0, Decide = 0;	// none: the first threshold of a channel is read
		uwire  read = Decide? !Bit[0] : Bit != '0 && !Wait && !Compare;
		always_ff @(posedge clk) begin
			if(rst)  { Wait, Compare, Decide } <= '0;
			else begin
				Wait    <= READ == 2 && read;
				Compare <= READ == 2? Wait : read;
				Decide  <= Compare || (Decide && !move);
			end
		end
		assign	decide = Decide;
	end : genPaused
	else begin : genAtOnce
		assign	decide = Bit != '0;
	end : genAtOnce

	logic [FOLD_BITS-1:0]  Fold;
	logic signed [PE-1:0][ACC_BITS-1:0]  Acc;
	always_ff @(posedge clk) begin
		if(start) begin
			Fold <= fold;
			Acc  <= acc;
		end
	end

	//-----------------------------------------------------------------------
	// Search
	localparam  STYLE = string'(RAM_STYLE) == "distributed"? "auto" : RAM_STYLE;	// a ROM in LUTs is logic, see imec_rom
	localparam int unsigned  NAME_BITS = $bits(INIT_FILES) / ENGINES;
	if(READ > 0 && $bits(INIT_FILES) % (8*ENGINES) != 0)
		$error("INIT_FILES of %0d bits must be ENGINES=%0d names of one length.", $bits(INIT_FILES), ENGINES);
	uwire  restart = start || (Bit[0] && !channel_last);
	for(genvar  e = 0; e < ENGINES; e++) begin : genEngine
		logic [BITS-1:0]  Try;	// the count so far with the bit being decided set
		uwire signed [ACC_BITS-1:0]  picked, value, threshold;
		imec_mux #(.N(EACH), .WIDTH(ACC_BITS), .PRIMITIVES(PRIMITIVES)) pick(.sel(channel), .d(Acc[e*EACH +: EACH]), .q(picked));
		imec_delay #(.WIDTH(ACC_BITS), .STEPS(EACH > 1 && PAUSED? 1 : 0)) hold(.clk, .en(1'b1), .d(picked), .q(value));
		uwire  enough, reached;
		imec_delay #(.WIDTH(1), .STEPS(32'(PAUSED))) result(.clk, .en(!decide), .d(enough), .q(reached));
		uwire [BITS-1:0]  count = reached? Try : Try & ~Bit;
		uwire [BITS-1:0]  next  = restart? BITS'(1) << (BITS-1) : count | (Bit >> 1);
		always_ff @(posedge clk)  if(start || move)  Try <= next;

		uwire [FOLD_BITS-1:0]  read_fold = FAST > 0 && start? fold : Fold;
		uwire [BITS-1:0]  read_try  = FAST > 0 || (PAUSED && decide)? next : Try;
		uwire [ADDR_BITS-1:0]  addr;
		if(EACH == 1)  assign  addr = ADDR_BITS'({ read_fold, read_try });
		else           assign  addr = ADDR_BITS'({ read_fold, channel, read_try });

		uwire [BITS-1:0]  tried;	// the count so far, as its last bit is decided
		uwire [BITS-1:0]  last = (tried & ~BITS'(1)) | BITS'(reached);
		if(READ == 0) begin : genTable
			imec_table #(
				.ROWS(ROWS), .TABLE_WIDTH(ENGINES*ACC_BITS), .TABLE(TABLE), .LSB(e*ACC_BITS), .WIDTH(ACC_BITS), .PRIMITIVES(PRIMITIVES)
			) thresholds(.addr, .q(threshold));
			if(ROWS <= 256)  assign  enough = value >= threshold;
			else begin : genJoined	// as a subtraction, whose LUTs hold the multiplexer of the table
				uwire signed [ACC_BITS:0]  margin = (ACC_BITS+1)'(value) - (ACC_BITS+1)'(threshold);
				assign	enough = !margin[ACC_BITS];
			end : genJoined
			assign	tried = Try;
		end : genTable
		else begin : genMemory
			localparam int unsigned  LOW = ACC_BITS - TOP;
			(* ram_style = STYLE, rom_style = STYLE *)
			logic [LOW-1:0]  Mem[DEPTH];
			initial  $readmemh($sformatf("%s", INIT_FILES[e*NAME_BITS +: NAME_BITS]), Mem);
			if(FAST == 2) begin : genBoth
				logic [LOW-1:0]  Above, Below;
				logic [BITS-1:0]  Sure = '0;	// bits of the count before the last decision; zero while idle
				logic  Reached;	// the last decision; of none, the first threshold is in Above
				uwire [BITS-1:0]  so_far = Reached? Sure | (Bit << 1) : Sure;
				uwire [BITS-1:0]  root = start? BITS'(1) << (BITS-1) : '0;
				uwire [ADDR_BITS-1:0]  above = ADDR_BITS'({ read_fold, so_far | Bit | (Bit >> 1) | root });
				uwire [ADDR_BITS-1:0]  below = ADDR_BITS'({ Fold, so_far | (Bit >> 1) });
				always_ff @(posedge clk) begin
					if(rst || (move && Bit[0]))  Sure <= '0;
					else if(move)      Sure <= so_far;
					if(start || move) begin
						Above   <= Mem[above];
						Below   <= Mem[below];
						Reached <= start || reached;
					end
				end
				if(TOP == 0)  assign  threshold = Reached? Above : Below;
				else begin : genSplit
					uwire [TOP-1:0]  top;	// of the threshold that is compared now
					imec_table #(
						.ROWS(ROWS), .TABLE_WIDTH(ENGINES*TOP), .TABLE(TABLE), .LSB(e*TOP), .WIDTH(TOP), .PRIMITIVES(PRIMITIVES)
					) tops(.addr(ADDR_BITS'({ Fold, Try })), .q(top));
					assign	threshold = { top, Reached? Above : Below };
				end : genSplit
				// As a subtraction, whose LUTs hold the multiplexer
				uwire signed [ACC_BITS:0]  margin = (ACC_BITS+1)'(value) - (ACC_BITS+1)'(threshold);
				assign	enough = !margin[ACC_BITS];
				assign	tried = so_far;
			end : genBoth
			else begin : genOne
				logic [ACC_BITS-1:0]  Threshold;
				always_ff @(posedge clk)  if(FAST == 0 || start || move)  Threshold <= Mem[addr];
				imec_delay #(.WIDTH(ACC_BITS), .STEPS(32'(READ == 2))) behind(.clk, .en(1'b1), .d(Threshold), .q(threshold));
				assign	enough = value >= threshold;
				assign	tried = Try;
			end : genOne
		end : genMemory

		// Counts of the channels before, the highest on top
		uwire [EACH-1:0][BITS-1:0]  counts;
		assign	counts[0] = last;
		if(EACH > 1) begin : genBefore
			logic [EACH-1:1][BITS-1:0]  Before;
			always_ff @(posedge clk)  if(move && Bit[0])  Before <= counts[EACH-2:0];
			assign	counts[EACH-1:1] = Before;
		end : genBefore
		for(genvar  c = 0; c < EACH; c++) begin : genChannel
			assign	y[e*EACH + c] = O_BITS'(signed'({ 1'b0, counts[c] }) + BIAS);
		end : genChannel
	end : genEngine

endmodule : imec_threshold_search
