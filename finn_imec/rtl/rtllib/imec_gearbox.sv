/****************************************************************************
 * @brief	Gearbox: SIMD channels in each cycle from wider words of the line buffer.
 *
 * @description
 *	For SIMD < WORD that does not divide it. Channels move in groups of gcd(SIMD, WORD),
 *	N to a word and M to a cycle. A period takes N cycles and M words: a word is read in
 *	each cycle that finds fewer than M groups left of the words before.
 *
 *	Lanes are added up, so it does not matter which of them gets a channel: no word is
 *	rotated. Lane j takes group j of the word just read while groups are wanted, and the
 *	lanes above take what is left of the word before, which is cut into pieces of M groups
 *	from its top:
 *
 *	  q[j] <- fresh? word[j] : held[N - (piece+1)*M + j]
 *
 *	                 N = 4, M = 3      cycle   lanes 0 1 2    left
 *	            +-----+                  0     A0 A1 A2       A3
 *	  word --+->|     |                  1     B0 B1 A3       B2 B3
 *	         |  | mux |-||--> q          2     C0 B2 B3       C1 C2 C3
 *	         ||>|     |                  3     C1 C2 C3       -            nothing is read
 *	      held  +-----+
 *
 *	weight_rows in finn_imec/layer/gearbox.py has the order of the weights that follows.
 *	A fold is a whole number of periods: nothing is left between folds.
 *
 *	go holds the reader back in cycles that need no word. step is a cycle's start. Everything
 *	after it is a register later: rvld with its flags and the weight's address; q comes MEMORY
 *	steps after that.
 *
 *	Does not turn words into narrower or wider streams, see imec_convert; keeps no order.
 ***************************************************************************/
module imec_gearbox #(
	int unsigned  WORD,	// channels of a word
	int unsigned  SIMD,
	int unsigned  BITS,	// of a channel
	int unsigned  WEIGHTS,	// words of weights for a window
	int unsigned  MEMORY,	// steps from a read to its word

	localparam int unsigned  WEIGHT_BITS = WEIGHTS > 1? $clog2(WEIGHTS) : 1
)(
	input	logic  clk,
	input	logic  rst,

	// Pipeline enable: nothing moves while low
	input	logic  en,
	input	logic  moves,	// the same, for control: a register with few loads

	// Reader of the line buffer
	input	logic  wvld,	// there is a word of weights
	output	logic  go,
	input	logic  read,	// a word is read in this cycle
	input	logic  read_first,	// ... the first of a fold
	input	logic  read_last,	// ... the last of a fold
	input	logic [WORD*BITS-1:0]  word,	// MEMORY steps later

	// A cycle of the dot products starts, and takes its word of streamed weights
	output	logic  step,

	// A step later
	output	logic  rvld,
	output	logic  rfirst,
	output	logic  rlast,
	output	logic [WEIGHT_BITS-1:0]  weight_addr,
	output	logic [SIMD*BITS-1:0]  q	// MEMORY steps after rvld
);
	function automatic int unsigned gcd(input int unsigned  m, input int unsigned  n);
		return  n == 0? m : gcd(n, m % n);
	endfunction : gcd
	localparam int unsigned  GROUP = gcd(WORD, SIMD);
	localparam int unsigned  N = WORD/GROUP;
	localparam int unsigned  M = SIMD/GROUP;
	localparam int unsigned  PIECES = (N-2)/M + 1;
	localparam int unsigned  PIECE_BITS = PIECES > 1? $clog2(PIECES) : 1;
	localparam int unsigned  LEFT_BITS = $clog2(N);
	if(SIMD >= WORD)  $error("SIMD=%0d must be below WORD=%0d.", SIMD, WORD);
	if(WEIGHTS % N != 0)  $error("WEIGHTS=%0d must be a multiple of the %0d cycles of a period.", WEIGHTS, N);

	//-----------------------------------------------------------------------
	// What happens with `left` more cycles of the period to come
	typedef struct packed {
		logic  reads;
		logic [PIECE_BITS-1:0]  piece;
		logic [M-1:0]  fresh;	// lanes of the word just read
	} cycle_t;
	function automatic cycle_t [N-1:0] plan();
		automatic int unsigned  over = 0;
		automatic int unsigned  part = 0;
		automatic cycle_t [N-1:0]  cycles = '0;
		for(int unsigned  i = 0; i < N; i++) begin
			automatic cycle_t  now = '0;
			now.reads = over < M;
			now.piece = PIECE_BITS'(part);
			for(int unsigned  j = 0; j < M; j++)  now.fresh[j] = now.reads && (j + over < M);
			cycles[N-1 - i] = now;
			if(now.reads) begin
				over += N-M;
				part = 0;
			end
			else begin
				over -= M;
				part++;
			end
		end
		return  cycles;
	endfunction : plan
	localparam cycle_t [N-1:0]  PLAN = plan();
	function automatic logic [N-1:0] pauses();
		automatic logic [N-1:0]  after = '0;	// 1 if the next cycle reads nothing
		for(int unsigned  i = 1; i < N; i++)  after[i] = !PLAN[i-1].reads;
		return  after;
	endfunction : pauses
	localparam logic [N-1:0]  PAUSES = pauses();

	//-----------------------------------------------------------------------
	// Cycles
	logic  Pause = 0;	// nothing is to be read
	logic  LastRead;	// the word read last is its fold's last
	uwire [LEFT_BITS-1:0]  left;
	uwire  period_last;
	assign	go = wvld && !Pause;
	assign	step = Pause? moves && wvld : read;
	imec_counter #(.N(N)) cycles(.clk, .rst, .en(step), .left, .last(period_last));
	always_ff @(posedge clk) begin
		if(rst)        Pause <= 0;
		else if(step)  Pause <= PAUSES[left];
		if(read)       LastRead <= read_last;
	end

	logic  Vld = 0;
	logic  First, Last;
	logic [WEIGHT_BITS-1:0]  WeightAddr = '0;
	always_ff @(posedge clk) begin
		if(rst)         Vld <= 0;
		else if(moves)  Vld <= step;
		if(moves) begin
			First <= read_first && !Pause;
			Last  <= LastRead && period_last;
		end
		if(rst)        WeightAddr <= '0;
		else if(rvld)  WeightAddr <= WeightAddr == WEIGHT_BITS'(WEIGHTS-1)? '0 : WeightAddr + 1'b1;
	end
	assign	rvld   = moves && Vld;
	assign	rfirst = First;
	assign	rlast  = Last;
	assign	weight_addr = WeightAddr;

	//-----------------------------------------------------------------------
	// Channels
	uwire  took;	// word is one that was read
	uwire [PIECE_BITS-1:0]  piece;
	uwire [M-1:0]  fresh;
	imec_delay #(.WIDTH(1+PIECE_BITS+M), .STEPS(MEMORY)) behind(
		.clk, .en, .d({ read, PLAN[left].piece, PLAN[left].fresh }), .q({ took, piece, fresh })
	);
	uwire [N-1:0][GROUP*BITS-1:0]  groups = word;
	logic [N-1:0][GROUP*BITS-1:0]  Held;	// the word before
	logic [M-1:0][GROUP*BITS-1:0]  Q;
	always_ff @(posedge clk)  if(en && took)  Held <= groups;
	for(genvar  j = 0; j < M; j++) begin : genLane
		uwire [PIECES-1:0][GROUP*BITS-1:0]  kept;
		for(genvar  k = 0; k < PIECES; k++) begin : genPiece
			if(N + j > (k+1)*M)  assign  kept[k] = Held[N + j - (k+1)*M];
			else                 assign  kept[k] = '0;	// of the word just read
		end : genPiece
		always_ff @(posedge clk)  if(en)  Q[j] <= fresh[j]? groups[j] : kept[piece];
	end : genLane
	assign	q = Q;

endmodule : imec_gearbox
