/****************************************************************************
 * @brief	imec_sequencer and imec_strip against the definition of a sliding window.
 *
 * @description
 *	Input words carry their running number. What every read must return follows from
 *	the layer alone: six loops over rows, columns, folds and the kernel, which step with
 *	the reads. Enable, input valid, weight valid and reset are free in every cycle.
 *
 *	Numbers are modulo 2**BITS, more than twice as far as any two of them lie apart.
 *
 *	With INDUCTIVE the engine's state is asserted as a function of the loops and the
 *	number of words taken, which makes the properties hold by induction over one cycle.
 ***************************************************************************/
module imec_sequencer_proof #(
	// Layer, in pixels; CF words a pixel
	int unsigned  KH,
	int unsigned  KW,
	int unsigned  H,
	int unsigned  W,
	int unsigned  SH,
	int unsigned  SW,
	int unsigned  DH,
	int unsigned  DW,
	int unsigned  CF,

	// Schedule
	int unsigned  DEPTH,
	int unsigned  LIVE,
	bit  DUAL_PORT,
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

	bit  INDUCTIVE
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  en,
	input	logic  ivld,
	input	logic  wvld
);
	localparam int unsigned  PARTS = DEPTHWISE? 1 : CF;	// words a fold reads of a pixel
	localparam int unsigned  SF    = KH*KW*PARTS;
	localparam int unsigned  FRAME = H*W*CF;
	localparam int unsigned  BITS  = 2 + $clog2(FRAME + DEPTH + NF*SF + 1);
	typedef logic signed [BITS-1:0]  num_t;

	//-----------------------------------------------------------------------
	// Engine
	localparam int unsigned  ADDR_BITS   = DEPTH > 1? $clog2(DEPTH) : 1;
	localparam int unsigned  WEIGHT_BITS = NF*SF > 1? $clog2(NF*SF) : 1;
	uwire  irdy;
	uwire  strip_we;
	uwire [  ADDR_BITS-1:0]  strip_addr, write_addr;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	uwire  rvld, rfirst, rlast;
	imec_sequencer #(
		.DEPTH(DEPTH), .LIVE(LIVE), .DUAL_PORT(DUAL_PORT),
		.RUN(RUN), .INNER(INNER), .INNER_STEP(INNER_STEP), .OUTER(OUTER), .OUTER_STEP(OUTER_STEP),
		.NF(NF), .FOLD_STEP(FOLD_STEP), .DEPTHWISE(DEPTHWISE), .OW(OW), .OH(OH),
		.ADVANCE_COLUMN(ADVANCE_COLUMN), .ADVANCE_ROW(ADVANCE_ROW), .ADVANCE_FRAME(ADVANCE_FRAME)
	) dut(
		.clk, .rst, .en,
		.ivld, .irdy,
		.strip_addr, .write_addr, .strip_we, .wvld, .weight_addr,
		.rvld, .rfirst, .rlast
	);

	num_t  Taken;	// number of the next input word
	uwire [BITS-1:0]  q;
	imec_strip #(.DEPTH(DEPTH), .WIDTH(BITS), .DUAL_PORT(DUAL_PORT)) strip(
		.clk, .en, .addr(strip_addr), .write_addr, .we(strip_we), .d(Taken), .q
	);

	//-----------------------------------------------------------------------
	// Definition
	num_t  Frame;	// number of the frame's first word
	num_t  Y, X;	// window
	num_t  F;	// neuron fold
	num_t  I, J, C;	// kernel row, column, word
	uwire  c_end = C == num_t'(PARTS-1);
	uwire  j_end = c_end && J == num_t'(KW-1);
	uwire  i_end = j_end && I == num_t'(KH-1);
	uwire  f_end = i_end && F == num_t'(NF-1);
	uwire  x_end = f_end && X == num_t'((W - (KW-1)*DW - 1) / SW);
	uwire  y_end = x_end && Y == num_t'((H - (KH-1)*DH - 1) / SH);
	logic  Ready = 0;	// has been reset
	always_ff @(posedge clk) begin
		if(rst) begin
			Ready <= 1;
			Taken <= '0;
			Frame <= '0;
			{ Y, X, F, I, J, C } <= '0;
		end
		else begin
			if(ivld && irdy)  Taken <= Taken + 1'b1;
			if(rvld) begin
				C <= c_end? '0 : C + 1'b1;
				if(c_end)  J <= j_end? '0 : J + 1'b1;
				if(j_end)  I <= i_end? '0 : I + 1'b1;
				if(i_end)  F <= f_end? '0 : F + 1'b1;
				if(f_end)  X <= x_end? '0 : X + 1'b1;
				if(x_end)  Y <= y_end? '0 : Y + 1'b1;
				if(y_end)  Frame <= Frame + num_t'(FRAME);
			end
		end
	end
	function automatic num_t number(input num_t  row, input num_t  column, input num_t  part);
		return  Frame + (row*num_t'(W) + column)*num_t'(CF) + part;
	endfunction : number
	uwire num_t  base  = number(Y*num_t'(SH), X*num_t'(SW), '0);
	uwire num_t  last  = number(Y*num_t'(SH) + num_t'((KH-1)*DH), X*num_t'(SW) + num_t'((KW-1)*DW), num_t'(CF-1));
	uwire num_t  due   = number(Y*num_t'(SH) + I*num_t'(DH), X*num_t'(SW) + J*num_t'(DW), DEPTHWISE? F : C);
	uwire num_t  index = (I*num_t'(KW) + J)*num_t'(PARTS) + C;

	logic  Read;	// in the cycle before
	num_t  Expected;
	always_ff @(posedge clk) begin
		Read     <= Ready && rvld;
		if(rvld)  Expected <= due;
	end

	//-----------------------------------------------------------------------
	// Properties
	uwire num_t  age     = Taken - due;	// 1: of the newest word in the strip
	uwire num_t  ahead   = Taken - base;	// input words taken from the window's first on
	uwire num_t  to_last = last - Taken;	// negative once the window's last word has been taken
	always_comb begin
		if(Read)  assert(q == Expected);
		if(Ready) begin
			// No read of a word to come; none of an overwritten one
			if(rvld)  assert(age > 0 && age <= num_t'(DEPTH));

			// Folds, in FINN's weight order
			if(rvld)  assert(weight_addr == WEIGHT_BITS'(F*num_t'(SF) + index));
			if(rvld)  assert(rfirst == (index == '0) && rlast == i_end);

			// Handshakes
			if(rvld)  assert(en && wvld);
			if(irdy)  assert(en);
			assert(strip_we == (ivld && irdy));

			// Progress: a window that is in the strip is read without further input,
			// and cycles that only write are those of a single port
			if(en && wvld && ivld)         assert(rvld || strip_we);
			if(en && wvld && to_last < 0)  assert(rvld || (!DUAL_PORT && strip_we));

			// Two ports never meet
			if(DUAL_PORT && rvld && strip_we)  assert(strip_addr != write_addr);
		end
	end

	//-----------------------------------------------------------------------
	// State
	localparam int unsigned  ADVANCE_MAX = (ADVANCE_COLUMN > ADVANCE_ROW? ADVANCE_COLUMN : ADVANCE_ROW) > ADVANCE_FRAME?
		(ADVANCE_COLUMN > ADVANCE_ROW? ADVANCE_COLUMN : ADVANCE_ROW) : ADVANCE_FRAME;
	if(INDUCTIVE) begin : genState
		uwire  last_fold = F == num_t'(NF-1);
		uwire num_t  advance = num_t'(
			X != num_t'(OW-1)? ADVANCE_COLUMN : Y != num_t'(OH-1)? ADVANCE_ROW : ADVANCE_FRAME
		);
		// Words of this window that no longer count as live
		uwire num_t  in_run = advance < num_t'(RUN)? advance : num_t'(RUN);
		uwire num_t  read   = index < in_run? index : in_run;
		uwire num_t  dead   =
			DUAL_PORT? (last_fold && index != '0? advance : '0) :
			DEPTHWISE? F*in_run + read : (last_fold? read : '0);
		// Slots that differ by so much are the same one
		function automatic logic laps(input num_t  x);
			automatic logic  any = 0;
			for(int  n = -2; n < 3 + int'(ADVANCE_MAX/DEPTH); n++)  any |= x == num_t'(n*int'(DEPTH));
			return  any;
		endfunction : laps

		uwire num_t  write_slot = num_t'({ 1'b0, write_addr });
		uwire num_t  read_slot  = num_t'({ 1'b0, dut.read_addr });
		logic  Full;	// every slot has been written
		always_ff @(posedge clk) begin
			if(rst)  Full <= 0;
			else if(strip_we && write_slot == num_t'(DEPTH-1))  Full <= 1;
		end

		always_comb begin
			if(Ready) begin
				// Loops
				assert(Y >= 0 && X >= 0 && F >= 0 && I >= 0 && J >= 0 && C >= 0);
				assert(Y < num_t'(OH) && X < num_t'(OW) && F < num_t'(NF));
				assert(I < num_t'(KH) && J < num_t'(KW) && C < num_t'(PARTS));
				assert(num_t'(dut.run.left) < num_t'(RUN) && num_t'(dut.inner.left) < num_t'(INNER) && num_t'(dut.outer.left) < num_t'(OUTER));
				assert(num_t'(SF-1) - index == num_t'(dut.run.left) + num_t'(RUN)*(
					num_t'(dut.inner.left) + num_t'(INNER)*num_t'(dut.outer.left)
				));
				assert(num_t'(dut.fold.left)   == num_t'(NF-1) - F);
				assert(num_t'(dut.column.left) == num_t'(OW-1) - X);
				assert(num_t'(dut.row.left)    == num_t'(OH-1) - Y);
				assert(dut.FoldStart   == (index == '0));
				assert(dut.WindowStart == (index == '0 && F == '0));
				assert(weight_addr == WEIGHT_BITS'(F*num_t'(SF) + index));

				// Owed slots
				assert(num_t'(dut.Debt) == num_t'(LIVE - 1) - ahead + dead);
				assert(num_t'(dut.Debt) >= num_t'(-1 - int'(DEPTH - LIVE)));
				assert(num_t'(dut.Debt) < num_t'(LIVE > ADVANCE_MAX? LIVE : ADVANCE_MAX));
				if(!dut.WindowStart)  assert(to_last < 0);
				if(DUAL_PORT)  assert(ahead <= num_t'(DEPTH) + (last_fold && index != '0? index - 1'b1 : '0));

				// Strip
				assert(write_slot < num_t'(DEPTH) && read_slot < num_t'(DEPTH));
				assert(laps(read_slot - write_slot + age));
				if(!Full)  assert(write_slot == Taken && base >= 0);
			end
		end
		for(genvar  s = 0; s < DEPTH; s++) begin : genSlot
			uwire  below = num_t'(s) < write_slot;
			always_comb begin
				if(Ready && (Full || below))
					assert(strip.genMemory.Mem[s] == Taken - write_slot + num_t'(s) - num_t'(below? 0 : DEPTH));
			end
		end : genSlot
		if(!DUAL_PORT) begin : genHead
			always_comb  if(Ready)  assert(dut.genSinglePort.Head == (index < num_t'(RUN)));
		end : genHead
	end : genState

endmodule : imec_sequencer_proof
