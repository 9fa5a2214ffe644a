/****************************************************************************
 * @brief	Streaming convolution: sliding window and matrix-vector unit in one.
 *
 * @description
 *	ofm[y][x][m] = act( sum_{kh,kw,c} ifm[y*s_h + kh*d_h][x*s_w + kw*d_w][c] * w[m][kh][kw][c] )
 *
 *	or, DEPTHWISE, with the sum over kh, kw alone and c = m. A strip word then holds
 *	the PE channels that are computed side by side, and SIMD is 1.
 *
 *	Streams carry NHWC raster order; in: SIMD_IN channels, out: PE channels per
 *	word, element 0 in the least significant bits. What FINN builds from
 *	ConvolutionInputGenerator and MVAU, without replay buffer, weight stream or
 *	FIFO between them:
 *
 *	        +---------+   +-------+ Strip   +-----+ Product +-----+ Acc  +-----+
 *	 in --->| convert |-->| strip |---||--->| dot |---||--->|  +  |--||->| thr |--> out
 *	        +---------+   +-------+         | xPE |         | xPE |      +-----+
 *	                          ^     +-----+ |     |         +-----+
 *	        +-----------+-----+     | rom |-||--->|
 *	        | sequencer |---------->+-----+ Weight+
 *	        +-----------+
 *
 *	The strip holds the live input rows and is read NF times per window, see
 *	imec_sequencer. The accumulators are the output registers: the pipeline stops
 *	only if the next fold would overwrite a result that nobody has taken.
 *
 *	INIT is what an accumulator starts from, one for all channels: imec_dot_planes'
 *	constant. Per-channel constants are part of the thresholds or, without
 *	thresholds, of the words of BIAS_FILE (used if BIASED).
 *
 *	WEIGHTS_STREAMED replaces the ROM by the stream wdat of its words, in their
 *	order, once per window: a strip read waits for its word and takes it. If they
 *	may change at run time, no constant may depend on them: WIDEN then multiplies a
 *	bipolar operand, whose counterpart is plain, as the number -1 or +1 of two bits.
 *
 *	Does not pad; has no DSP multipliers.
 ***************************************************************************/
module imec_conv #(
	// Folding
	int unsigned  SIMD_IN,
	int unsigned  SIMD,
	int unsigned  PE,
	int unsigned  NF,

	// Schedule in strip words, see imec_sequencer
	int unsigned  DEPTH,
	int unsigned  LIVE,
	bit  DUAL_PORT,
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

	// Datatypes
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	bit  PLANES,	// dot product by bit planes, else by multipliers
	bit  DOUBLE,	// accumulate 2*dot
	bit  WIDEN = 0,	// bipolar values as two-bit numbers
	logic [ACC_BITS-1:0]  INIT,

	// Activation: thresholds per channel, 0 for none
	int unsigned  STEPS,
	int           ACT_VAL = 0,
	bit  BIASED,

	// Memories
	bit  WEIGHTS_STREAMED = 0,
	parameter  WEIGHT_FILE = "",
	parameter  THRESHOLD_FILE = "",
	parameter  BIAS_FILE = "",
	parameter  WEIGHT_RAM_STYLE = "auto",
	parameter  BUFFER_RAM_STYLE = "auto"
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
	function int unsigned gcd(input int unsigned  a, input int unsigned  b);
		return  b == 0? a : gcd(b, a % b);
	endfunction : gcd
	localparam int unsigned  WORD   = DEPTHWISE? PE : SIMD;	// channels of a strip word
	localparam int unsigned  COMMON = gcd(SIMD_IN, WORD);

	//-----------------------------------------------------------------------
	// Input words to strip words
	uwire  cvld, crdy;
	uwire [COMMON*A_BITS-1:0]  cdat;
	imec_convert #(.IN(SIMD_IN), .OUT(COMMON), .BITS(A_BITS)) narrow(
		.clk, .rst, .ivld, .irdy, .idat, .ovld(cvld), .ordy(crdy), .odat(cdat)
	);
	uwire  svld, srdy;
	uwire [WORD*A_BITS-1:0]  sdat;
	imec_convert #(.IN(COMMON), .OUT(WORD), .BITS(A_BITS)) widen(
		.clk, .rst, .ivld(cvld), .irdy(crdy), .idat(cdat), .ovld(svld), .ordy(srdy), .odat(sdat)
	);

	//-----------------------------------------------------------------------
	// Schedule
	localparam int unsigned  ADDR_BITS   = DEPTH > 1? $clog2(DEPTH) : 1;
	localparam int unsigned  WEIGHTS     = NF*OUTER*INNER*RUN;
	localparam int unsigned  WEIGHT_BITS = WEIGHTS > 1? $clog2(WEIGHTS) : 1;
	uwire  en;
	uwire  rvld, rfirst, rlast;
	uwire  strip_we;
	uwire [  ADDR_BITS-1:0]  strip_addr, write_addr;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	imec_sequencer #(
		.DEPTH(DEPTH), .LIVE(LIVE), .DUAL_PORT(DUAL_PORT),
		.RUN(RUN), .INNER(INNER), .INNER_STEP(INNER_STEP), .OUTER(OUTER), .OUTER_STEP(OUTER_STEP),
		.NF(NF), .FOLD_STEP(FOLD_STEP), .DEPTHWISE(DEPTHWISE), .OW(OW), .OH(OH),
		.ADVANCE_COLUMN(ADVANCE_COLUMN), .ADVANCE_ROW(ADVANCE_ROW), .ADVANCE_FRAME(ADVANCE_FRAME)
	) sequencer(
		.clk, .rst, .en,
		.ivld(svld), .irdy(srdy),
		.strip_addr, .write_addr, .strip_we, .wvld(wvld || !WEIGHTS_STREAMED), .weight_addr,
		.rvld, .rfirst, .rlast
	);

	//-----------------------------------------------------------------------
	// Memories, stage 1
	uwire [WORD-1:0][A_BITS-1:0]  a;
	imec_strip #(.DEPTH(DEPTH), .WIDTH(WORD*A_BITS), .DUAL_PORT(DUAL_PORT), .RAM_STYLE(BUFFER_RAM_STYLE)) strip(
		.clk, .en, .addr(strip_addr), .write_addr, .we(strip_we), .d(sdat), .q(a)
	);
	uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  w;
	if(WEIGHTS_STREAMED) begin : genStream
		logic [PE*SIMD*W_BITS-1:0]  Word;
		always_ff @(posedge clk)  if(en)  Word <= wdat;
		assign	w = Word;
		assign	wrdy = rvld;
	end : genStream
	else begin : genRom
		imec_rom #(.DEPTH(WEIGHTS), .WIDTH(PE*SIMD*W_BITS), .INIT_FILE(WEIGHT_FILE), .RAM_STYLE(WEIGHT_RAM_STYLE)) weights(
			.clk, .en, .addr(weight_addr), .q(w)
		);
		assign	wrdy = 1'b0;
	end : genRom
	logic  Vld1 = 0, First1, Last1;
	logic  Vld2 = 0, First2, Last2;
	always_ff @(posedge clk) begin
		if(rst) begin
			Vld1 <= 0;
			Vld2 <= 0;
		end
		else if(en) begin
			Vld1 <= rvld;
			Vld2 <= Vld1;
		end
		if(en) begin
			{ First1, Last1 } <= { rfirst, rlast };
			{ First2, Last2 } <= { First1, Last1 };
		end
	end

	//-----------------------------------------------------------------------
	// Output fold, one ahead of the result that is offered
	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1;
	uwire  result = en && Vld2 && Last2;
	uwire [FOLD_BITS-1:0]  folds_left;
	imec_counter #(.N(NF)) ofold(.clk, .rst, .en(result), .left(folds_left), .last());

	logic  OVld = 0;
	always_ff @(posedge clk) begin
		if(rst)              OVld <= 0;
		else if(en && Vld2)  OVld <= Last2;
		else if(ordy)        OVld <= 0;
	end
	assign	ovld = OVld;
	assign	en = !(Vld2 && OVld && !ordy);

	//-----------------------------------------------------------------------
	// Products, stage 2; accumulators, stage 3
	localparam bit  WIDE_A = WIDEN && A_BIPOLAR;
	localparam bit  WIDE_W = WIDEN && W_BIPOLAR;
	localparam int unsigned  X_BITS = WIDE_A? 2 : A_BITS;
	localparam int unsigned  V_BITS = WIDE_W? 2 : W_BITS;
	uwire [WORD-1:0][X_BITS-1:0]  x;	// activations and weights as they are multiplied
	uwire [PE-1:0][SIMD-1:0][V_BITS-1:0]  v;
	for(genvar  c = 0; c < WORD; c++) begin : genActivation
		assign	x[c] = WIDE_A? X_BITS'({ !a[c][0], 1'b1 }) : X_BITS'(a[c]);
	end : genActivation
	for(genvar  p = 0; p < PE; p++) begin : genWeights
		for(genvar  l = 0; l < SIMD; l++) begin : genLane
			assign	v[p][l] = WIDE_W? V_BITS'({ !w[p][l][0], 1'b1 }) : V_BITS'(w[p][l]);
		end : genLane
	end : genWeights

	localparam int unsigned  Y_BITS = PLANES?
		$clog2(SIMD*(2**X_BITS-1)*(2**V_BITS-1) + 1) :
		X_BITS + V_BITS + 1 + $clog2(SIMD);
	uwire [PE-1:0][ACC_BITS-1:0]  start;
	if(BIASED) begin : genBias
		logic [PE*ACC_BITS-1:0]  Mem[NF];
		initial  $readmemh(BIAS_FILE, Mem);
		assign	start = Mem[folds_left];
	end : genBias
	else begin : genInit
		assign	start = {PE{INIT}};
	end : genInit

	uwire [PE-1:0][Y_BITS-1:0]  y;
	localparam int unsigned  DOTS = DEPTHWISE? PE : 1;	// sets of activations
	localparam int unsigned  EACH = PE/DOTS;
	for(genvar  d = 0; d < DOTS; d++) begin : genDot
		if(PLANES) begin : genPlanes
			imec_dot_planes #(
				.PE(EACH), .SIMD(SIMD),
				.A_BITS(X_BITS), .A_SIGNED(A_SIGNED || WIDE_A), .A_BIPOLAR(A_BIPOLAR && !WIDE_A),
				.W_BITS(V_BITS), .W_SIGNED(W_SIGNED || WIDE_W), .W_BIPOLAR(W_BIPOLAR && !WIDE_W)
			) dot(.a(x[d*SIMD +: SIMD]), .w(v[d*EACH +: EACH]), .y(y[d*EACH +: EACH]));
		end : genPlanes
		else begin : genProduct
			imec_dot_product #(
				.PE(EACH), .SIMD(SIMD),
				.A_BITS(X_BITS), .A_SIGNED(A_SIGNED || WIDE_A), .W_BITS(V_BITS), .W_SIGNED(W_SIGNED || WIDE_W)
			) dot(.a(x[d*SIMD +: SIMD]), .w(v[d*EACH +: EACH]), .y(y[d*EACH +: EACH]));
		end : genProduct
	end : genDot

	uwire [PE-1:0][ACC_BITS-1:0]  acc;
	for(genvar  p = 0; p < PE; p++) begin : genPE
		logic [Y_BITS-1:0]  Product;
		always_ff @(posedge clk)  if(en)  Product <= y[p];
		uwire [Y_BITS:0]  product = { !PLANES && Product[Y_BITS-1], Product };

		logic [ACC_BITS-1:0]  Acc;
		uwire [ACC_BITS-1:0]  sum = (ACC_BITS'(signed'(product)) << DOUBLE) + (First2? start[p] : Acc);
		always_ff @(posedge clk)  if(en && Vld2)  Acc <= sum;
		assign	acc[p] = Acc;
	end : genPE

	//-----------------------------------------------------------------------
	// Activation
	if(STEPS == 0) begin : genPass
		initial begin
			if(O_BITS != ACC_BITS)  $error("%m: O_BITS=%0d must equal ACC_BITS=%0d without thresholds.", O_BITS, ACC_BITS);
		end
		assign	odat = acc;
	end : genPass
	else begin : genThreshold
		imec_threshold #(
			.PE(PE), .NF(NF), .STEPS(STEPS), .ACC_BITS(ACC_BITS), .O_BITS(O_BITS), .BIAS(ACT_VAL), .INIT_FILE(THRESHOLD_FILE)
		) threshold(.fold(folds_left), .acc, .y(odat));
	end : genThreshold

endmodule : imec_conv
