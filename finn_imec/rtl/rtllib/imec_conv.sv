/****************************************************************************
 * @brief	Streaming convolution: sliding window and matrix-vector unit in one.
 *
 * @description
 *	ofm[y][x][m] = act( sum_{kh,kw,c} ifm[y*s_h + kh*d_h][x*s_w + kw*d_w][c] * w[m][kh][kw][c] )
 *
 *	DEPTHWISE sums over kh and kw only, with c = m. A word of the line buffer then
 *	holds the PE channels that are computed in parallel, and SIMD is 1.
 *
 *	Streams are in NHWC raster order, with SIMD_IN channels per input word and PE
 *	channels per output word, element 0 in the least significant bits. Replaces FINN's
 *	ConvolutionInputGenerator and MVAU, without the replay buffer, weight stream and
 *	FIFO between them:
 *
 *	         +---------+   +-----+   +--------+         +-----+     Acc  +-----+
 *	 in -||->| convert |-->| pad |-->| buffer |--||---->| dot |->[+]-||->| act |-||-> out
 *	         +---------+   +-----+   +--------+         | xPE |          +-----+
 *	                                     ^      +-----+ |     |
 *	                   +-----------+-----+      | rom |->     |
 *	                   | sequencer |----------->+-----+ +-----+
 *	                   +-----------+
 *
 *	The line buffer (imec_strip) holds the live input rows and is read NF times per
 *	window, see imec_sequencer. With SIMD > CHANNELS, imec_window replaces both: it
 *	takes pixels and gives SIMD channels of a window per word. Where SIMD does not divide
 *	CHANNELS, a word of the line buffer has more channels, WORD, and imec_gearbox makes
 *	SIMD of them. With THROUGH there is none of this: each word is read once, as it
 *	arrives, see imec_through.
 *
 *	All handshakes end in registers: imec_register at the input, imec_output at the output,
 *	and En, which stalls everything between them while a result can't leave the accumulators
 *	(Hold is its inverse, a register of its own for the schedule).
 *	No path leads from an input of the module to an output. (Streamed weights must come from
 *	a register, as FINN's memstream and imec_register have it.)
 *
 *	Activation, with STEPS thresholds per channel:
 *
 *	  STEPS = 0	none: the accumulator is the output
 *	  SIGN		one threshold: accumulators start from its negative, from START_TABLE or
 *			START_FILE, and the sign is the output
 *	  SEARCH	imec_threshold_search, for folds with as many words as the search has steps
 *	  STAGED	imec_threshold_stages
 *	  else		imec_threshold
 *
 *	INIT is the start value of all accumulators: the constant of the dot products. With
 *	BIASED it is a word of START_TABLE or START_FILE for each fold, counted down.
 *
 *	WEIGHTS_STREAMED replaces the ROM by the stream wdat of the same words in the same
 *	order, once per window: a buffer read waits for its weight word and takes it. If
 *	weights may change at run time, no constant may depend on them: WIDEN then
 *	multiplies a bipolar operand, if the other one is not bipolar, as a two-bit number
 *	-1 or +1.
 *
 *	PIPELINE places the registers inside the dot products, see imec_dot_heap. MEMORY is
 *	the number of steps from an address to its word: 2 uses the output registers of block
 *	RAM, and registers before memories in LUTs.
 *
 *	PRIMITIVES is how LUTs, multiplexers and DSP slices are described, see imec_pkg.
 *
 *	CORE "dsp" takes more steps for its dot products than the one register shown. Its
 *	weights arrive in several parts, each two steps after the one before: from ROMs
 *	with a delayed address, which hold the words of WEIGHT_FILE, WEIGHT1_FILE, ...; in
 *	a word of WEIGHT_TABLE the last part comes first, from bit 0 on.
 *
 *	ifm is the image with the zeros that PAD_* add to the stream, see imec_pad.
 *
 *	Pads with no value other than 0.
 ***************************************************************************/
module imec_conv import imec_pkg::*; #(
	// Folding
	int unsigned  SIMD_IN,
	int unsigned  SIMD,
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  WORD = SIMD,	// channels of a line buffer word, unless DEPTHWISE or SIMD > CHANNELS

	// Padding in line buffer words, see imec_pad; none by default
	int unsigned  PAD_FIRST = 0,
	int unsigned  PAD_RUN = 1,
	int unsigned  PAD_RUNS = 1,
	int unsigned  PAD_GAP = 0,
	int unsigned  PAD_BETWEEN = 0,

	// Schedule in line buffer words, see imec_sequencer
	int unsigned  DEPTH,
	int unsigned  LIVE,
	bit  DUAL_PORT,
	bit  BANKED = 0,	// the line buffer is in two banks
	bit  PARTED = 0,	// ... or in parts, see imec_parts
	int unsigned  SKEW = 0,
	int unsigned  RUN,
	int unsigned  INNER,
	int unsigned  INNER_STEP,
	int unsigned  OUTER,
	int unsigned  OUTER_STEP,
	int unsigned  FOLD_STEP,
	bit  DEPTHWISE,
	int unsigned  OW,
	int unsigned  OH,
	int unsigned  ADVANCE_COLUMN,
	int unsigned  ADVANCE_ROW,
	int unsigned  ADVANCE_FRAME,

	bit  THROUGH = 0,	// no line buffer: each word is read once, see imec_through

	// Window unit instead of a line buffer if SIMD > CHANNELS, see imec_window
	int unsigned  CHANNELS,
	int unsigned  H,
	int unsigned  W,
	int unsigned  K_H,
	int unsigned  K_W,
	int unsigned  S_H,
	int unsigned  S_W,
	int unsigned  D_H,
	int unsigned  D_W,
	int unsigned  COLUMNS,
	int unsigned  WINDOWS,

	// Datatypes
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	parameter string  CORE,	// for dot products: "planes", "gates", "shared", "product" or "dsp", see imec_dot_*
	bit  DOUBLE,	// accumulate 2*dot
	bit  WIDEN = 0,	// multiply bipolar values as two-bit numbers
	int unsigned  PIPELINE = 0,	// registers in the dot products, see imec_mac
	int unsigned  DIGITS = W_BITS,	// of a weight in CORE "gates", and its registers, see imec_dot_gates
	int unsigned  CUTS = 0,
	bit  HEAP = 0,
	int unsigned  MIDDLE = 6,
	int unsigned  SERIES = 0,
	bit  PAIRS = 0,	// products in imec_pairs
	int unsigned  MEMORY = 1,	// steps from an address to its word, 1 or 2
	int unsigned  OUTPUT = 2,	// words of the output register, see imec_output
	int unsigned  PRIMITIVES = XILINX,
	logic [ACC_BITS-1:0]  INIT,

	// Packing of CORE "dsp", see imec_dot_dsp
	int unsigned  FIELDS = 1,
	int unsigned  SPACING = 1,
	int unsigned  FIELD_BITS = 1,
	int unsigned  CHAINS = SIMD,
	logic [47:0]  CHAIN_BIAS = 0,
	bit  CENTRED = 0,
	int unsigned  LANES = 1,
	int unsigned  DSP_VERSION = 1,

	// Activation: thresholds per channel, 0 for none
	int unsigned  STEPS,
	int           ACT_VAL = 0,
	bit  SIGN = 0,	// of an accumulator that starts from the negative threshold
	bit  SEARCH = 0,	// binary search, see imec_threshold_search; else all in parallel
	bit  STAGED = 0,	// in place of it, a pipeline with a stage for each bit, see imec_threshold_stages
	int unsigned  ENGINES = PE,
	int unsigned  READ = 1,
	int unsigned  FAST = 0,
	bit  BIASED,	// start values from START_TABLE or START_FILE
	int unsigned  START_ROWS = 1,	// NF if START_TABLE is used
	logic [START_ROWS-1:0][PE*ACC_BITS-1:0]  START_TABLE = '0,
	int unsigned  THRESHOLD_TOP = 0,	// top bits of a threshold that THRESHOLD_TABLE holds, not its memory
	int unsigned  THRESHOLD_ROWS = 1,	// of THRESHOLD_TABLE, used if READ = 0 or with THRESHOLD_TOP
	logic [THRESHOLD_ROWS-1:0][ENGINES*(THRESHOLD_TOP > 0? THRESHOLD_TOP : ACC_BITS)-1:0]  THRESHOLD_TABLE = '0,

	// Memories
	bit  WEIGHTS_STREAMED = 0,
	parameter string  WEIGHT_FILE = "",
	parameter string  WEIGHT1_FILE = "",
	parameter string  WEIGHT2_FILE = "",
	parameter string  WEIGHT3_FILE = "",
	parameter  THRESHOLD_FILE = "",	// INIT_FILE of imec_threshold or INIT_FILES of imec_threshold_search
	parameter  START_FILE = "",	// used if START_ROWS is not NF
	parameter string  WEIGHT_LAYOUT = "plain",	// of the ROM, see imec_rom
	int unsigned  WEIGHT_BANK = 2048,	// words of a bank, if the layout is "banked"
	parameter string  WEIGHT_LEFT_FILE = "",
	parameter string  WEIGHT1_LEFT_FILE = "",
	parameter string  WEIGHT2_LEFT_FILE = "",
	parameter string  WEIGHT3_LEFT_FILE = "",
	parameter string  WEIGHT_REST_FILE = "",
	parameter string  WEIGHT1_REST_FILE = "",
	parameter string  WEIGHT2_REST_FILE = "",
	parameter string  WEIGHT3_REST_FILE = "",
	parameter  WEIGHT_SPLIT_FILE = "",	// SPLIT_FILES, if the layout is "split"
	int unsigned  WEIGHT_SPILL = 0,	// top bits of each later memory that the first one stores, above its own
	bit  WEIGHT_TRITS = 0,	// ternary weights of two bits stand in the ROM as imec_trits has them
	int unsigned  WEIGHT_LUT_BITS = 0,	// top bits of the last part that WEIGHT_TABLE holds, not its memory
	int unsigned  WEIGHT_ROWS = 1,	// of WEIGHT_TABLE, used if the layout is "table" or with WEIGHT_LUT_BITS
	logic [WEIGHT_ROWS-1:0][PE*SIMD*W_BITS-1:0]  WEIGHT_TABLE = '0,
	parameter  WEIGHT_RAM_STYLE = "auto",
	parameter  BUFFER_RAM_STYLE = "auto",
	parameter  THRESHOLD_RAM_STYLE = "auto"
)(
	input	logic  clk,
	input	logic  rst,

	input	logic  ivld,
	output	logic  irdy,
	input	logic [SIMD_IN*A_BITS-1:0]  idat,

	// Weights, if WEIGHTS_STREAMED
	input	logic  wvld,
	output	logic  wrdy,
	input	logic [PE*SIMD*W_BITS-1:0]  wdat,

	output	logic  ovld,
	input	logic  ordy,
	output	logic [PE*O_BITS-1:0]  odat
);
	function automatic int unsigned gcd(input int unsigned  m, input int unsigned  n);
		return  n == 0? m : gcd(n, m % n);
	endfunction : gcd
	localparam bit  WINDOW = SIMD > CHANNELS;
	localparam int unsigned  READ_CHANNELS = DEPTHWISE? PE : SIMD;	// read together
	localparam bit  GEARED = !WINDOW && !DEPTHWISE && SIMD != WORD;
	localparam int unsigned  STORED_CHANNELS = WINDOW? CHANNELS : DEPTHWISE? PE : WORD;	// a line buffer word
	localparam int unsigned  COMMON = gcd(SIMD_IN, STORED_CHANNELS);

	//-----------------------------------------------------------------------
	// Input words to line buffer words
	uwire  ivld1, irdy1;
	uwire [SIMD_IN*A_BITS-1:0]  idat1;
	imec_register #(.WIDTH(SIMD_IN*A_BITS)) in(
		.clk, .rst, .ivld, .irdy, .idat, .ovld(ivld1), .ordy(irdy1), .odat(idat1)
	);
	uwire  cvld, crdy;
	uwire [COMMON*A_BITS-1:0]  cdat;
	imec_convert #(.IN(SIMD_IN), .OUT(COMMON), .BITS(A_BITS)) narrow(
		.clk, .rst, .ivld(ivld1), .irdy(irdy1), .idat(idat1), .ovld(cvld), .ordy(crdy), .odat(cdat)
	);
	uwire  pvld, prdy;
	uwire [STORED_CHANNELS*A_BITS-1:0]  pdat;
	imec_convert #(.IN(COMMON), .OUT(STORED_CHANNELS), .BITS(A_BITS)) widen(
		.clk, .rst, .ivld(cvld), .irdy(crdy), .idat(cdat), .ovld(pvld), .ordy(prdy), .odat(pdat)
	);
	uwire  svld, srdy;
	uwire [STORED_CHANNELS*A_BITS-1:0]  sdat;
	imec_pad #(
		.WIDTH(STORED_CHANNELS*A_BITS), .FIRST(PAD_FIRST), .RUN(PAD_RUN), .RUNS(PAD_RUNS), .GAP(PAD_GAP), .BETWEEN(PAD_BETWEEN)
	) pad(.clk, .rst, .ivld(pvld), .irdy(prdy), .idat(pdat), .ovld(svld), .ordy(srdy), .odat(sdat));

	//-----------------------------------------------------------------------
	// Schedule
	localparam int unsigned  ADDR_BITS   = DEPTH > 1? $clog2(DEPTH) : 1;
	localparam int unsigned  READS       = NF*OUTER*INNER*RUN;	// of a window
	localparam int unsigned  WEIGHTS     = GEARED? READS*WORD/SIMD : READS;
	localparam int unsigned  WEIGHT_BITS = WEIGHTS > 1? $clog2(WEIGHTS) : 1;
	if(MEMORY < 1 || MEMORY > 2)  $error("MEMORY=%0d must be 1 or 2.", MEMORY);
	logic  En = 1;	// the pipeline from reads to accumulators moves
	logic  Hold = 0;	// !En, for what decides about reads: En has a thousand loads and more
	uwire  en = En;
	uwire  moves = !Hold;
	uwire  rvld, rfirst, rlast;
	uwire  wstep;	// takes a word of streamed weights, GEARED steps before rvld
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	uwire [READ_CHANNELS-1:0][A_BITS-1:0]  a;	// MEMORY steps after the read
	if(WINDOW) begin : genWindow
		uwire [READ_CHANNELS*A_BITS-1:0]  word;
		imec_window #(
			.WIDTH(STORED_CHANNELS*A_BITS), .H(H), .W(W), .K_H(K_H), .K_W(K_W), .S_H(S_H), .S_W(S_W), .D_H(D_H), .D_W(D_W),
			.SF(OUTER*INNER*RUN), .NF(NF), .COLUMNS(COLUMNS), .WINDOWS(WINDOWS), .RAM_STYLE(BUFFER_RAM_STYLE)
		) window(
			.clk, .rst, .en(moves),
			.ivld(svld), .irdy(srdy), .idat(sdat),
			.wvld(wvld || !WEIGHTS_STREAMED), .weight_addr,
			.rvld, .rfirst, .rlast, .q(word)
		);
		assign	wstep = rvld;
		imec_delay #(.WIDTH(READ_CHANNELS*A_BITS), .STEPS(MEMORY-1)) behind(.clk, .en, .d(word), .q(a));
	end : genWindow
	else if(THROUGH) begin : genThrough
		if(GEARED)  $error("SIMD=%0d must be WORD=%0d with THROUGH.", SIMD, WORD);
		imec_through #(.WIDTH(STORED_CHANNELS*A_BITS), .FOLD(OUTER*INNER*RUN), .NF(NF), .STEPS(MEMORY)) through(
			.clk, .rst, .en, .moves,
			.ivld(svld), .irdy(srdy), .idat(sdat),
			.wvld(wvld || !WEIGHTS_STREAMED), .weight_addr,
			.rvld, .rfirst, .rlast, .q(a)
		);
		assign	wstep = rvld;
	end : genThrough
	else begin : genStrip
		uwire  strip_we;
		uwire [ADDR_BITS-1:0]  strip_addr, write_addr;
		uwire  go, read, read_first, read_last;	// of the sequencer
		uwire [(READS > 1? $clog2(READS) : 1)-1:0]  read_number;
		uwire [STORED_CHANNELS*A_BITS-1:0]  word;
		imec_sequencer #(
			.DEPTH(DEPTH), .LIVE(LIVE), .DUAL_PORT(DUAL_PORT), .BANKED(BANKED), .SKEW(SKEW),
			.RUN(RUN), .INNER(INNER), .INNER_STEP(INNER_STEP), .OUTER(OUTER), .OUTER_STEP(OUTER_STEP),
			.NF(NF), .FOLD_STEP(FOLD_STEP), .DEPTHWISE(DEPTHWISE), .OW(OW), .OH(OH),
			.ADVANCE_COLUMN(ADVANCE_COLUMN), .ADVANCE_ROW(ADVANCE_ROW), .ADVANCE_FRAME(ADVANCE_FRAME)
		) sequencer(
			.clk, .rst, .en(moves),
			.ivld(svld), .irdy(srdy),
			.strip_addr, .write_addr, .strip_we, .wvld(go), .weight_addr(read_number),
			.rvld(read), .rfirst(read_first), .rlast(read_last)
		);
		imec_strip #(
			.DEPTH(DEPTH), .WIDTH(STORED_CHANNELS*A_BITS), .DUAL_PORT(DUAL_PORT), .BANKED(BANKED), .PARTED(PARTED),
			.RAM_STYLE(BUFFER_RAM_STYLE), .STEPS(MEMORY)
		) strip(
			.clk, .en, .addr(strip_addr), .write_addr, .we(strip_we), .d(sdat), .q(word)
		);
		if(!GEARED) begin : genDirect
			assign	go   = wvld || !WEIGHTS_STREAMED;
			assign	rvld = read;
			assign	wstep = read;
			assign	rfirst = read_first;
			assign	rlast  = read_last;
			assign	weight_addr = read_number;
			assign	a = word;
		end : genDirect
		else begin : genGearbox
			imec_gearbox #(.WORD(WORD), .SIMD(SIMD), .BITS(A_BITS), .WEIGHTS(WEIGHTS), .MEMORY(MEMORY)) gearbox(
				.clk, .rst, .en, .moves,
				.wvld(wvld || !WEIGHTS_STREAMED), .go, .read, .read_first, .read_last, .word,
				.step(wstep), .rvld, .rfirst, .rlast, .weight_addr, .q(a)
			);
		end : genGearbox
	end : genStrip

	//-----------------------------------------------------------------------
	// Weights, with the activations
	localparam int unsigned  DSP_STEP = CHAINS*LANES;	// lanes from slice to slice of a chain
	uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  w;	// each lane weight_delay steps late
	if(WEIGHTS_STREAMED) begin : genStream
		uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  word;
		imec_delay #(.WIDTH(PE*SIMD*W_BITS), .STEPS(MEMORY + GEARED)) read(.clk, .en, .d(wdat), .q(word));
		for(genvar  p = 0; p < PE; p++) begin : genWord
			for(genvar  l = 0; l < SIMD; l++) begin : genLane
				imec_delay #(.WIDTH(W_BITS), .STEPS(weight_delay(SIMD, DSP_STEP, l))) late(
					.clk, .en, .d(word[p][l]), .q(w[p][l])
				);
			end : genLane
		end : genWord
		assign	wrdy = wstep;
	end : genStream
	else begin : genRom
		localparam int unsigned  PARTS = weight_delay(SIMD, DSP_STEP, 0)/2 + 1;
		localparam int unsigned  SPILT = (PARTS-1) * WEIGHT_SPILL;
		if(PARTS > 4)  $error("SIMD=%0d in CHAINS=%0d has its weights in %0d memories, of which there are 4.", SIMD, CHAINS, PARTS);
		uwire [SPILT:0]  spilt;	// [SPILT] is unused
		for(genvar  g = 0; g < PARTS; g++) begin : genPart
			localparam int unsigned  LOW   = lanes_below(SIMD, DSP_STEP, g);
			localparam int unsigned  COUNT = lanes_below(SIMD, DSP_STEP, g-1) - LOW;
			localparam int unsigned  BITS  = PE*COUNT*W_BITS;
			localparam int unsigned  TABLE = g == PARTS-1? WEIGHT_LUT_BITS : 0;
			localparam int unsigned  STORED = WEIGHT_TRITS? 5*(PE*COUNT/3) + 2*(PE*COUNT%3) : BITS - TABLE;
			localparam int unsigned  OWN   = STORED - (g == 0? 0 : WEIGHT_SPILL);
			localparam int unsigned  WIDTH = OWN + (g == 0? SPILT : 0);
			uwire [WEIGHT_BITS-1:0]  addr, ahead;
			uwire  step;	// ahead is the next addr, except for the first
			if(g == 0) begin : genAtOnce
				assign	addr  = weight_addr;
				assign	ahead = weight_addr + 1'b1;
				assign	step  = rvld;
			end : genAtOnce
			else begin : genDelayed
				imec_delay #(.WIDTH(WEIGHT_BITS), .STEPS(2*g - 1)) early(.clk, .en, .d(weight_addr), .q(ahead));
				imec_delay #(.WIDTH(WEIGHT_BITS), .STEPS(1)) late(.clk, .en, .d(ahead), .q(addr));
				assign	step  = en;
			end : genDelayed
			uwire [WIDTH-1:0]  word;
			imec_rom #(
				.DEPTH(WEIGHTS), .WIDTH(WIDTH), .RAM_STYLE(WEIGHT_RAM_STYLE), .STEPS(MEMORY), .PRIMITIVES(PRIMITIVES),
				.LAYOUT(WEIGHT_LAYOUT), .BANK(WEIGHT_BANK),
				.INIT_FILE(g == 0? WEIGHT_FILE : g == 1? WEIGHT1_FILE : g == 2? WEIGHT2_FILE : WEIGHT3_FILE),
				.SPLIT_FILES(WEIGHT_SPLIT_FILE),
				.LEFT_FILE(
					g == 0? WEIGHT_LEFT_FILE  : g == 1? WEIGHT1_LEFT_FILE :
					g == 2? WEIGHT2_LEFT_FILE : WEIGHT3_LEFT_FILE
				),
				.REST_FILE(
					g == 0? WEIGHT_REST_FILE  : g == 1? WEIGHT1_REST_FILE :
					g == 2? WEIGHT2_REST_FILE : WEIGHT3_REST_FILE
				),
				.ROWS(WEIGHT_ROWS), .TABLE_WIDTH(PE*SIMD*W_BITS), .TABLE_LSB(PE*LOW*W_BITS), .TABLE(WEIGHT_TABLE)
			) weights(.clk, .en, .addr, .step, .ahead, .q(word));

			uwire [STORED-1:0]  stored;
			if(g == 0) begin : genFirst
				assign	stored = word[OWN-1:0];
				if(SPILT == 0)  assign  spilt = '0;
				else            assign  spilt = { 1'b0, word[OWN +: SPILT] };
			end : genFirst
			else if(WEIGHT_SPILL == 0)  assign  stored = word;
			else begin : genSpilt
				if(WEIGHT_LAYOUT == "table" || WEIGHT_SPILL >= STORED)
					$error("WEIGHT_SPILL=%0d must be below the %0d bits of part %0d, and 0 in a table.", WEIGHT_SPILL, STORED, g);
				uwire [WEIGHT_SPILL-1:0]  top;
				imec_delay #(.WIDTH(WEIGHT_SPILL), .STEPS(2*g)) behind(
					.clk, .en, .d(spilt[(g-1)*WEIGHT_SPILL +: WEIGHT_SPILL]), .q(top)
				);
				assign	stored = { top, word };
			end : genSpilt

			uwire [PE-1:0][COUNT-1:0][W_BITS-1:0]  q;
			if(WEIGHT_TRITS) begin : genTrits
				if(W_BITS != 2 || PARTS > 1 || TABLE > 0)
					$error("WEIGHT_TRITS=%0d needs weights of W_BITS=%0d to be 2, in one memory.", WEIGHT_TRITS, W_BITS);
				imec_trits #(.N(PE*COUNT), .PRIMITIVES(PRIMITIVES)) trits(.d(stored), .q(q));
			end : genTrits
			else if(TABLE == 0)  assign  q = stored;
			else begin : genLuts
				if(WEIGHT_LAYOUT == "table" || TABLE >= BITS)
					$error("WEIGHT_LUT_BITS=%0d must be below the %0d bits of part %0d, and 0 in a table.", TABLE, BITS, g);
				uwire [TABLE-1:0]  top;
				imec_rom #(
					.DEPTH(WEIGHTS), .WIDTH(TABLE), .STEPS(MEMORY), .PRIMITIVES(PRIMITIVES), .LAYOUT("table"),
					.ROWS(WEIGHT_ROWS), .TABLE_WIDTH(PE*SIMD*W_BITS), .TABLE_LSB(PE*LOW*W_BITS + STORED), .TABLE(WEIGHT_TABLE)
				) luts(.clk, .en, .addr, .step, .ahead, .q(top));
				assign	q = { top, stored };
			end : genLuts
			for(genvar  p = 0; p < PE; p++) begin : genWord
				assign	w[p][LOW +: COUNT] = q[p];
			end : genWord
		end : genPart
		assign	wrdy = 1'b0;
	end : genRom

	localparam int unsigned  DOT = MEMORY-1 + mac_steps(CORE == "dsp", SIMD, CHAINS, LANES, PIPELINE);
	logic [DOT:0]  Vld = 0, First, Last;	// [0] a step after the read, [DOT] with dot products
	always_ff @(posedge clk) begin
		if(rst)      Vld <= 0;
		else if(en)  Vld <= (DOT+1)'({ Vld, rvld });
		if(en) begin
			First <= (DOT+1)'({ First, rfirst });
			Last  <= (DOT+1)'({ Last, rlast });
		end
		if(rst)  { First[DOT], Last[DOT] } <= '0;	// a register, not the end of a shift register in LUTs
	end
	uwire  vld = Vld[DOT];
	uwire  first = First[DOT];
	uwire  last = Last[DOT];

	//-----------------------------------------------------------------------
	// Output fold, one ahead of the result in the accumulators
	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1;
	uwire  result = en && vld && last;
	uwire [FOLD_BITS-1:0]  folds_left;
	imec_counter #(.N(NF)) ofold(.clk, .rst, .en(result), .left(folds_left), .last());

	// Stall while the accumulators hold a result that the activation can't take
	logic  OVld = 0;
	uwire  taken, next_taken;	// the activation takes the result, in this cycle and in the next
	uwire  next_ovld = en && vld? last : OVld && !taken;
	always_ff @(posedge clk) begin
		OVld <= !rst && next_ovld;
		En   <= rst || !next_ovld || next_taken;
		Hold <= !rst && next_ovld && !next_taken;
	end

	//-----------------------------------------------------------------------
	// Dot products; accumulators
	uwire [PE-1:0][ACC_BITS-1:0]  start;
	if(!BIASED)  assign  start = {PE{INIT}};
	else if(START_ROWS == NF) begin : genStartTable
		imec_table #(.ROWS(NF), .TABLE_WIDTH(PE*ACC_BITS), .TABLE(START_TABLE), .PRIMITIVES(PRIMITIVES)) starts(
			.addr(folds_left), .q(start)
		);
	end : genStartTable
	else begin : genStartFile
		logic [PE*ACC_BITS-1:0]  Mem[NF];
		initial  $readmemh(START_FILE, Mem);
		assign	start = Mem[folds_left];
	end : genStartFile
	uwire [PE-1:0][ACC_BITS-1:0]  acc;
	if(PAIRS && BIASED)  $error("PAIRS=%0d must be 0 with BIASED=%0d.", PAIRS, BIASED);
	imec_mac #(
		.CORE(CORE), .PE(PE), .SIMD(SIMD), .DEPTHWISE(DEPTHWISE),
		.A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .A_BIPOLAR(A_BIPOLAR),
		.W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR), .WIDEN(WIDEN),
		.ACC_BITS(ACC_BITS), .DOUBLE(DOUBLE), .PIPELINE(PIPELINE), .DIGITS(DIGITS), .CUTS(CUTS), .HEAP(HEAP), .MIDDLE(MIDDLE), .SERIES(SERIES), .PRIMITIVES(PRIMITIVES),
		.PAIRS(PAIRS), .START(INIT),
		.FIELDS(FIELDS), .SPACING(SPACING), .FIELD_BITS(FIELD_BITS), .CHAINS(CHAINS), .CHAIN_BIAS(CHAIN_BIAS), .CENTRED(CENTRED),
		.LANES(LANES), .DSP_VERSION(DSP_VERSION)
	) mac(.clk, .en, .a, .w, .vld, .first, .start, .acc);

	//-----------------------------------------------------------------------
	// Activation
	uwire  yvld, yrdy, next_yrdy;
	uwire [PE-1:0][O_BITS-1:0]  y;
	if(STEPS == 0) begin : genPass
		if(O_BITS != ACC_BITS)  $error("O_BITS=%0d must equal ACC_BITS=%0d without thresholds.", O_BITS, ACC_BITS);
		assign	yvld = OVld;
		assign	{ taken, next_taken } = { yrdy, next_yrdy };
		assign	y = acc;
	end : genPass
	else if(SIGN) begin : genSign
		if(STEPS != 1)  $error("STEPS=%0d must be 1 with SIGN.", STEPS);
		assign	yvld = OVld;
		assign	{ taken, next_taken } = { yrdy, next_yrdy };
		for(genvar  p = 0; p < PE; p++) begin : genPE
			assign	y[p] = O_BITS'(signed'({ 1'b0, !acc[p][ACC_BITS-1] }) + ACT_VAL);
		end : genPE
	end : genSign
	else if(SEARCH && STAGED) begin : genStages
		imec_threshold_stages #(
			.PE(PE), .NF(NF), .STEPS(STEPS), .ACC_BITS(ACC_BITS), .O_BITS(O_BITS), .BIAS(ACT_VAL),
			.ROWS(THRESHOLD_ROWS), .TABLE(THRESHOLD_TABLE), .PRIMITIVES(PRIMITIVES)
		) threshold(
			.clk, .rst,
			.ivld(OVld), .irdy(taken), .next_irdy(next_taken), .fold(folds_left), .acc(acc),
			.ovld(yvld), .ordy(yrdy), .next_ordy(next_yrdy), .y(y)
		);
	end : genStages
	else if(SEARCH) begin : genSearch
		imec_threshold_search #(
			.PE(PE), .NF(NF), .STEPS(STEPS), .ACC_BITS(ACC_BITS), .O_BITS(O_BITS), .BIAS(ACT_VAL),
			.ENGINES(ENGINES), .READ(READ), .FAST(FAST), .INIT_FILES(THRESHOLD_FILE), .TOP(THRESHOLD_TOP),
			.ROWS(THRESHOLD_ROWS), .TABLE(THRESHOLD_TABLE), .RAM_STYLE(THRESHOLD_RAM_STYLE), .PRIMITIVES(PRIMITIVES)
		) threshold(
			.clk, .rst,
			.ivld(OVld), .irdy(taken), .next_irdy(next_taken), .fold(folds_left), .acc(acc),
			.ovld(yvld), .ordy(yrdy), .y(y)
		);
	end : genSearch
	else begin : genThreshold
		imec_threshold #(
			.PE(PE), .NF(NF), .STEPS(STEPS), .ACC_BITS(ACC_BITS), .O_BITS(O_BITS), .BIAS(ACT_VAL),
			.INIT_FILE(THRESHOLD_FILE), .PRIMITIVES(PRIMITIVES)
		) threshold(
			.clk, .rst,
			.ivld(OVld), .irdy(taken), .next_irdy(next_taken), .fold(folds_left), .acc(acc),
			.ovld(yvld), .ordy(yrdy), .next_ordy(next_yrdy), .y(y)
		);
	end : genThreshold

	imec_output #(.WIDTH(PE*O_BITS), .WORDS(OUTPUT)) out(
		.clk, .rst, .ivld(yvld), .irdy(yrdy), .next_irdy(next_yrdy), .idat(y), .ovld, .ordy, .odat
	);

endmodule : imec_conv
