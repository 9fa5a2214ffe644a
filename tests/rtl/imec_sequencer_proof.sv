/****************************************************************************
 * @brief	Proof of imec_sequencer and imec_strip against the definition of a sliding window.
 *
 * @description
 *	Input words carry their sequence number. What each read must return follows from the
 *	layer alone: six loops over window, fold and kernel, which advance with the reads.
 *	Reset, enable, input valid and weight valid are free in every cycle.
 *
 *	Two banks are read and written at the address whose lowest bit is the bank.
 *
 *	Numbers are modulo 2**BITS, more than twice the distance between any two of them.
 ***************************************************************************/
`include "claims.svh"

module imec_sequencer_proof #(
	int unsigned  LEVEL,

	// Layer, in pixels of CF words
	int unsigned  KH,
	int unsigned  KW,
	int unsigned  H,
	int unsigned  W,
	int unsigned  SH,
	int unsigned  SW,
	int unsigned  DH,
	int unsigned  DW,
	int unsigned  CF,

	// Its schedule
	int unsigned  DEPTH,
	int unsigned  LIVE,
	bit  DUAL_PORT,
	bit  BANKED = 0,
	int unsigned  SKEW = 0,
	int unsigned  RUN,
	int unsigned  INNER,
	int unsigned  INNER_STEP,
	int unsigned  OUTER,
	int unsigned  OUTER_STEP,
	int unsigned  NF,
	int unsigned  FOLD_STEP,
	bit  DEPTHWISE,
	int unsigned  OW,
	int unsigned  OH,
	int unsigned  ADVANCE_COLUMN,
	int unsigned  ADVANCE_ROW,
	int unsigned  ADVANCE_FRAME,

	localparam int unsigned  PARTS = DEPTHWISE? 1 : CF,	// words of a pixel that a fold reads
	localparam int unsigned  SF    = KH*KW*PARTS,
	localparam int unsigned  ADDR_BITS   = DEPTH > 1? $clog2(DEPTH) : 1,
	localparam int unsigned  WEIGHT_BITS = NF*SF > 1? $clog2(NF*SF) : 1
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  en,
	input	logic  ivld,
	input	logic  wvld,
	input	logic [ADDR_BITS-1:0]  slot
);
	localparam int unsigned  FRAME = H*W*CF;
	localparam int unsigned  SPAN  = ((KH-1)*DH*W + (KW-1)*DW)*CF + CF-1;	// from a window's first word to its last
	localparam int unsigned  BITS  = 2 + $clog2(FRAME + DEPTH + NF*SF + 1);
	typedef logic signed [BITS-1:0]  num_t;

	//-----------------------------------------------------------------------
	// Engine
	num_t  Taken;	// number of the next input word

	uwire  irdy, strip_we;
	uwire [  ADDR_BITS-1:0]  strip_addr, write_addr;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	uwire  rvld, rfirst, rlast;
	imec_sequencer #(
		.DEPTH(DEPTH), .LIVE(LIVE), .DUAL_PORT(DUAL_PORT), .BANKED(BANKED), .SKEW(SKEW),
		.RUN(RUN), .INNER(INNER), .INNER_STEP(INNER_STEP), .OUTER(OUTER), .OUTER_STEP(OUTER_STEP),
		.NF(NF), .FOLD_STEP(FOLD_STEP), .DEPTHWISE(DEPTHWISE), .OW(OW), .OH(OH),
		.ADVANCE_COLUMN(ADVANCE_COLUMN), .ADVANCE_ROW(ADVANCE_ROW), .ADVANCE_FRAME(ADVANCE_FRAME)
	) dut(
		.clk, .rst, .en,
		.ivld, .irdy,
		.strip_addr, .write_addr, .strip_we, .wvld, .weight_addr,
		.rvld, .rfirst, .rlast
	);
	uwire [BITS-1:0]  q;
	imec_strip #(.DEPTH(DEPTH), .WIDTH(BITS), .DUAL_PORT(DUAL_PORT), .BANKED(BANKED)) strip(
		.clk, .en, .addr(strip_addr), .write_addr, .we(strip_we), .d(Taken), .q
	);

	//-----------------------------------------------------------------------
	// Definition
	num_t  Frame;	// number of the frame's first word
	num_t  Y, X;	// window
	num_t  F;	// neuron fold
	num_t  I, J, C;	// kernel row, column, word of the pixel
	uwire  c_end = C == num_t'(PARTS-1);
	uwire  j_end = c_end && J == num_t'(KW-1);
	uwire  i_end = j_end && I == num_t'(KH-1);
	uwire  f_end = i_end && F == num_t'(NF-1);
	uwire  x_end = f_end && X == num_t'((W - (KW-1)*DW - 1) / SW);
	uwire  y_end = x_end && Y == num_t'((H - (KH-1)*DH - 1) / SH);
	function automatic num_t number(	// of a word, counted from its frame
		input num_t  y, input num_t  x, input num_t  f, input num_t  i, input num_t  j, input num_t  c
	);
		return  (y*num_t'(SH*W) + x*num_t'(SW) + i*num_t'(DH*W) + j*num_t'(DW))*num_t'(CF) + (DEPTHWISE? f : c);
	endfunction : number
	uwire num_t  base   = Frame + number(Y, X, '0, '0, '0, '0);
	uwire num_t  offset = number('0, '0, F, I, J, C);
	uwire num_t  index  = (I*num_t'(KW) + J)*num_t'(PARTS) + C;

	// The read after it
	uwire num_t  next_C = c_end? '0 : C + 1'b1;
	uwire num_t  next_J = !c_end? J : j_end? '0 : J + 1'b1;
	uwire num_t  next_I = !j_end? I : i_end? '0 : I + 1'b1;
	uwire num_t  next_F = !i_end? F : f_end? '0 : F + 1'b1;
	uwire num_t  next_X = !f_end? X : x_end? '0 : X + 1'b1;
	uwire num_t  next_Y = !x_end? Y : y_end? '0 : Y + 1'b1;
	uwire num_t  next_frame = y_end? Frame + num_t'(FRAME) : Frame;

	uwire num_t  ahead = Taken - base;	// words taken, from the window's first on
	uwire num_t  age   = ahead - offset;	// of the word to read, 1 for the newest

	logic [ADDR_BITS-1:0]  Slot;	// any slot, fixed from a reset on
	function automatic logic bank_of(input logic [ADDR_BITS-1:0]  x);
		return  x[0] ^ (SKEW > 0? x[SKEW] : 1'b0);
	endfunction : bank_of
	uwire  reads_slot = strip_addr == (BANKED? Slot ^ ADDR_BITS'(Slot[0] != bank_of(Slot)) : Slot);

	logic  Ready = 0;	// has been reset
	logic  Read = 0;	// Slot was read in the cycle before
	num_t  Expected;
	always_ff @(posedge clk) begin
		Read     <= Ready && rvld && reads_slot;
		Expected <= base + offset;
		if(rst) begin
			Ready <= 1;
			Slot  <= slot;
			Taken <= '0;
			Frame <= '0;
			{ Y, X, F, I, J, C } <= '0;
		end
		else begin
			if(ivld && irdy)  Taken <= Taken + 1'b1;
			if(rvld) begin
				{ Y, X, F, I, J, C } <= { next_Y, next_X, next_F, next_I, next_J, next_C };
				Frame <= next_frame;
			end
		end
	end

	//-----------------------------------------------------------------------
	// State of the engine as a function of the loops and the words taken
	uwire  last_fold = F == num_t'(NF-1);
	uwire num_t  advance = num_t'(
		X != num_t'(OW-1)? ADVANCE_COLUMN : Y != num_t'(OH-1)? ADVANCE_ROW : ADVANCE_FRAME
	);
	function automatic int unsigned max(input int unsigned  a, input int unsigned  b);
		return  a > b? a : b;
	endfunction : max
	localparam int unsigned  OWED_MOST = max(max(LIVE, ADVANCE_COLUMN), max(ADVANCE_ROW, ADVANCE_FRAME));

	// Words of the window that are retired
	uwire num_t  in_run = advance < num_t'(RUN)? advance : num_t'(RUN);
	uwire num_t  gone   = index < in_run? index : in_run;
	uwire num_t  dead   =
		DUAL_PORT? (last_fold && index != 0? advance : '0) :
		DEPTHWISE? F*in_run + gone : (last_fold? gone : '0);

	// Loops
	uwire num_t  loop_y = dut.Vld? next_Y : Y;
	uwire num_t  loop_x = dut.Vld? next_X : X;
	uwire num_t  loop_f = dut.Vld? next_F : F;
	uwire num_t  loop_i = dut.Vld? next_I : I;
	uwire num_t  loop_j = dut.Vld? next_J : J;
	uwire num_t  loop_c = dut.Vld? next_C : C;
	uwire num_t  loop_index  = (loop_i*num_t'(KW) + loop_j)*num_t'(PARTS) + loop_c;
	uwire num_t  loop_number = number(loop_y, loop_x, loop_f, loop_i, loop_j, loop_c);

	// Slots
	uwire num_t  write_slot = num_t'({ 1'b0, write_addr });
	uwire num_t  read_slot  = num_t'({ 1'b0, dut.ReadAddr });
	uwire num_t  next_slot  = num_t'({ 1'b0, dut.addr });
	function automatic logic is_laps(input num_t  x);
		automatic logic  any = 0;
		for(int  n = -2 - 2*int'(OWED_MOST/DEPTH); n <= 2; n++)  any |= x == num_t'(n*int'(DEPTH));
		return  any;
	endfunction : is_laps

	uwire [BITS-1:0]  held;	// word in Slot
	if(DEPTH == 1)   assign  held = strip.genRegister.Word;
	else if(BANKED)  assign  held = bank_of(Slot)?
		strip.genBanks.banks.genBank[1].genPart[0].Mem[Slot >> 1] : strip.genBanks.banks.genBank[0].genPart[0].Mem[Slot >> 1];
	else             assign  held = strip.genMemory.Mem[Slot];
	logic  Full;	// all slots have been written
	always_ff @(posedge clk) begin
		if(rst)  Full <= 0;
		else if(strip_we && write_slot == num_t'(DEPTH-1))  Full <= 1;
	end
	uwire  below = Slot < write_addr;
	uwire [BITS-1:0]  newest = Taken - write_slot + num_t'({ 1'b0, Slot }) - num_t'(below? 0 : DEPTH);	// word of Slot

	always_comb begin
		if(Ready) begin
			`LEMMA(1, I >= 0 && I < num_t'(KH) && J >= 0 && J < num_t'(KW) && C >= 0 && C < num_t'(PARTS))
			`LEMMA(1, Y >= 0 && Y < num_t'(OH) && X >= 0 && X < num_t'(OW) && F >= 0 && F < num_t'(NF))
			// The loops, one word ahead if the next read is known
			`LEMMA(1, num_t'(dut.row.left)    == num_t'(OH-1) - loop_y)
			`LEMMA(1, num_t'(dut.column.left) == num_t'(OW-1) - loop_x)
			`LEMMA(1, num_t'(dut.fold.left)   == num_t'(NF-1) - loop_f)
			`LEMMA(1, num_t'(dut.outer.left) < num_t'(OUTER) && num_t'(dut.inner.left) < num_t'(INNER))
			`LEMMA(1, num_t'(dut.run.left) < num_t'(RUN))
			`LEMMA(1, num_t'(SF-1) - loop_index ==
				(num_t'(dut.outer.left)*num_t'(INNER) + num_t'(dut.inner.left))*num_t'(RUN) + num_t'(dut.run.left)
			)
			`LEMMA(1, dut.row_last == (dut.row.left == '0) && dut.column_last == (dut.column.left == '0))
			`LEMMA(1, dut.fold_last == (dut.fold.left == '0) && dut.outer_last == (dut.outer.left == '0))
			`LEMMA(1, dut.inner_last == (dut.inner.left == '0) && dut.run_last == (dut.run.left == '0))
			if(!dut.Vld)  `LEMMA(1, Taken == '0 && Frame == '0 && { Y, X, F, I, J, C } == '0)

			// The next read
			`LEMMA(1, dut.FoldStart   == (index == 0))
			`LEMMA(1, dut.WindowStart == (index == 0 && F == 0))
			if(dut.Vld) begin
				`LEMMA(1, dut.FoldEnd == i_end && dut.WindowEnd == f_end && dut.FoldLast == last_fold)
				`LEMMA(1, dut.ColumnLast == (X == num_t'(OW-1)) && dut.RowLast == (Y == num_t'(OH-1)))
			end
			`LEMMA(1, weight_addr == WEIGHT_BITS'(F*num_t'(SF) + index))

			`LEMMA(2, num_t'(dut.Debt) == num_t'(LIVE-1) - ahead + dead)
			`LEMMA(2, num_t'(dut.Debt) >= num_t'(int'(LIVE) - int'(DEPTH) - 1) && num_t'(dut.Debt) < num_t'(OWED_MOST))
			if(!dut.WindowStart)  `LEMMA(2, ahead > num_t'(SPAN))
			if(DUAL_PORT)  `LEMMA(2, ahead <= num_t'(DEPTH) + (last_fold && index != 0? index - num_t'(1) : num_t'(0)))

			`LEMMA(3, write_slot < num_t'(DEPTH) && next_slot < num_t'(DEPTH))
			`LEMMA(3, is_laps(next_slot - write_slot + Taken - (dut.Vld? next_frame : Frame) - loop_number))
			if(dut.Vld)  `LEMMA(3, read_slot < num_t'(DEPTH) && is_laps(read_slot - write_slot + age))
			if(!Full)  `LEMMA(3, write_slot == Taken && base >= 0)

			if(rvld && reads_slot)  `LEMMA(4, newest == base + offset && (Full || below))
			if(strip_we && !DUAL_PORT)  `LEMMA(4, strip_addr == write_addr)

			if(num_t'({ 1'b0, Slot }) < num_t'(DEPTH) && (Full || below))  `LEMMA(5, held == newest)
		end
	end
	if(!DUAL_PORT) begin : genHead
		always_comb begin
			if(Ready)  `LEMMA(1, dut.genSinglePort.Head == (loop_index < num_t'(RUN)))
			if(Ready && dut.Vld)  `LEMMA(1, dut.genSinglePort.Dies == ((DEPTHWISE || last_fold) && index < in_run))
		end
	end : genHead

	if(BANKED) begin : genBanks
		always_comb begin
			if(Ready)  `LEMMA(1, dut.genDualPort.genBanked.WriteBank == bank_of(write_addr))
			if(Ready && dut.Vld)  `LEMMA(1, dut.genDualPort.genBanked.ReadBank == bank_of(dut.ReadAddr))
		end
	end : genBanks

	//-----------------------------------------------------------------------
	// Properties
	always_comb begin
		// The line buffer returns the word that the window needs, before a newer one overwrites it
		if(Read)  `PROPERTY(6, q == Expected)
		if(Ready) begin
			if(rvld)  `PROPERTY(4, age > 0 && age <= num_t'(DEPTH))

			// Folds with their weights
			if(rvld)  `PROPERTY(4, weight_addr == WEIGHT_BITS'(F*num_t'(SF) + index))
			if(rvld)  `PROPERTY(4, rfirst == (index == 0) && rlast == i_end)

			// Handshakes
			if(rvld)  `PROPERTY(4, en && wvld && dut.Vld)
			if(irdy)  `PROPERTY(4, en)
			`PROPERTY(4, strip_we == (ivld && irdy))

			// Progress: a window that has been taken is read without further input, with two
			// ports at one word per cycle
			if(en && wvld && ivld)  `PROPERTY(4, rvld || strip_we)
			if(en && wvld && ahead > num_t'(SPAN))  `PROPERTY(4, rvld || (strip_we && !DUAL_PORT))

			// The two ports never use the same address
			if(DUAL_PORT && !BANKED && rvld && strip_we)  `PROPERTY(4, strip_addr != write_addr)

			// A bank has one port
			if(BANKED && strip_we)  `PROPERTY(4, strip_addr[0] != bank_of(write_addr))
		end
	end

endmodule : imec_sequencer_proof
