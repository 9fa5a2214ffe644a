/****************************************************************************
 * @brief	PE dot products of SIMD lanes, accumulated.
 *
 * @description
 *	acc[p] <- (first? start[p] : acc[p]) + (DOUBLE? 2 : 1) * sum_l a[l]*w[p][l]
 *
 *	up to the constants of imec_dot_planes, imec_dot_gates and imec_dot_shared. If DEPTHWISE, PE p takes activation a[p]
 *	only, and SIMD is 1. WIDEN multiplies a bipolar operand as a two-bit number -1 or +1.
 *
 *	PAIRS takes products and accumulator of each PE into one imec_pairs. Each start is START then.
 *
 *	vld and first arrive with the dot products, imec_pkg::mac_steps steps after a and,
 *	except for CORE "dsp", whose lanes differ, after w.
 *
 *	CORE "shared" adds or subtracts in the accumulators, see imec_add_subtract.
 *
 *	Does not count folds. Does not saturate: ACC_BITS must hold the sum.
 ***************************************************************************/
module imec_mac import imec_pkg::*; #(
	parameter string  CORE,	// "planes", "gates", "shared", "product" or "dsp", see imec_dot_*
	int unsigned  PE,
	int unsigned  SIMD,
	bit  DEPTHWISE = 0,

	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	bit  WIDEN = 0,
	int unsigned  ACC_BITS,
	bit  DOUBLE = 0,
	int unsigned  PIPELINE = 0,	// registers in the dot products, see imec_dot_heap; 0 for CORE "dsp"

	int unsigned  DIGITS = W_BITS,	// of a weight in CORE "gates", and its registers, see imec_dot_gates
	int unsigned  CUTS = 0,
	bit  HEAP = 0,
	int unsigned  MIDDLE = 6,	// of a compressor tree, see imec_dot_heap
	int unsigned  SERIES = 0,	// in CORE "planes", see imec_dot_series

	// Packing of CORE "dsp", see imec_dot_dsp
	int unsigned  FIELDS = 1,
	int unsigned  SPACING = 1,
	int unsigned  FIELD_BITS = 1,
	int unsigned  CHAINS = SIMD,
	logic [47:0]  CHAIN_BIAS = 0,
	bit  CENTRED = 0,	// or of CORE "shared"
	int unsigned  LANES = 1,
	int unsigned  DSP_VERSION = 1,
	int unsigned  PRIMITIVES = XILINX,

	// Products in imec_pairs, with a constant start
	bit  PAIRS = 0,
	logic [ACC_BITS-1:0]  START = '0,

	localparam int unsigned  WORD = DEPTHWISE? PE : SIMD	// activations
)(
	input	logic  clk,

	input	logic  en,
	input	logic [WORD-1:0][A_BITS-1:0]  a,
	input	logic [PE-1:0][SIMD-1:0][W_BITS-1:0]  w,

	input	logic  vld,
	input	logic  first,
	input	logic [PE-1:0][ACC_BITS-1:0]  start,
	output	logic [PE-1:0][ACC_BITS-1:0]  acc
);
	if(CORE != "planes" && CORE != "gates" && CORE != "shared" && CORE != "product" && CORE != "dsp") begin : genCore
		$error("CORE=\"%s\" must be \"planes\", \"gates\", \"shared\", \"product\" or \"dsp\".", CORE);
	end : genCore
	if(CORE == "dsp" && PIPELINE > 0)  $error("PIPELINE=%0d must be 0 for CORE dsp.", PIPELINE);
	if(DEPTHWISE && SIMD != 1)  $error("SIMD=%0d must be 1 if DEPTHWISE.", SIMD);

	localparam bit  WIDE_A = WIDEN && A_BIPOLAR;
	localparam bit  WIDE_W = WIDEN && W_BIPOLAR;
	localparam int unsigned  X_BITS = WIDE_A? 2 : A_BITS;
	localparam int unsigned  V_BITS = WIDE_W? 2 : W_BITS;
	uwire [WORD-1:0][X_BITS-1:0]  x;	// activations and weights as multiplied
	uwire [PE-1:0][SIMD-1:0][V_BITS-1:0]  v;
	for(genvar  c = 0; c < WORD; c++) begin : genActivation
		assign	x[c] = WIDE_A? X_BITS'({ !a[c][0], 1'b1 }) : X_BITS'(a[c]);
	end : genActivation
	for(genvar  p = 0; p < PE; p++) begin : genWeights
		for(genvar  l = 0; l < SIMD; l++) begin : genLane
			assign	v[p][l] = WIDE_W? V_BITS'({ !w[p][l][0], 1'b1 }) : V_BITS'(w[p][l]);
		end : genLane
	end : genWeights

	localparam int unsigned  Y_BITS =
		CORE == "dsp"? FIELD_BITS + $clog2(CHAINS) :
		CORE == "planes"? $clog2(SIMD*(2**X_BITS-1)*(2**V_BITS-1) + 1) :
		CORE == "gates"? $clog2(SIMD*(2**A_BITS-1)*(2**DIGITS-1) + 1) :
		CORE == "shared"? A_BITS + 32'(!A_SIGNED && !CENTRED) + $clog2(SIMD) + 1 :	// and whether to negate
		X_BITS + V_BITS + 1 + $clog2(SIMD);
	uwire [PE-1:0][Y_BITS-1:0]  y;
	localparam int unsigned  DOTS = DEPTHWISE? PE : 1;	// sets of activations
	localparam int unsigned  EACH = PE/DOTS;
	if(PAIRS) begin : genPairs
		if(!DEPTHWISE || CORE != "planes" || W_BITS != 4 || A_BIPOLAR || WIDEN || DOUBLE)
			$error("PAIRS=%0d needs plain activations and weights of W_BITS=%0d to be 4, and DEPTHWISE.", PAIRS, W_BITS);
		for(genvar  p = 0; p < PE; p++) begin : genPE
			imec_pairs #(
				.A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .W_SIGNED(W_SIGNED), .ACC_BITS(ACC_BITS), .START(START),
				.STEPS(lut_steps(PIPELINE)), .PRIMITIVES(PRIMITIVES)
			) product(.clk, .en, .a(a[p]), .w(w[p][0]), .vld, .first, .acc(acc[p]));
		end : genPE
		assign	y = '0;
	end : genPairs
	for(genvar  d = 0; d < (PAIRS? 0 : DOTS); d++) begin : genDot
		if(CORE == "dsp") begin : genDsp
			imec_dot_dsp #(
				.PE(EACH), .SIMD(SIMD),
				.A_BITS(X_BITS), .A_SIGNED(A_SIGNED || WIDE_A), .W_BITS(V_BITS), .W_SIGNED(W_SIGNED || WIDE_W),
				.FIELDS(FIELDS), .SPACING(SPACING), .FIELD_BITS(FIELD_BITS), .CHAINS(CHAINS), .BIAS(CHAIN_BIAS), .CENTRED(CENTRED),
				.LANES(LANES), .VERSION(DSP_VERSION), .PRIMITIVES(PRIMITIVES)
			) dot(.clk, .en, .a(x[d*SIMD +: SIMD]), .w(v[d*EACH +: EACH]), .y(y[d*EACH +: EACH]));
		end : genDsp
		else if(CORE == "planes") begin : genPlanes
			imec_dot_planes #(
				.PE(EACH), .SIMD(SIMD),
				.A_BITS(X_BITS), .A_SIGNED(A_SIGNED || WIDE_A), .A_BIPOLAR(A_BIPOLAR && !WIDE_A),
				.W_BITS(V_BITS), .W_SIGNED(W_SIGNED || WIDE_W), .W_BIPOLAR(W_BIPOLAR && !WIDE_W),
				.PIPELINE(PIPELINE), .MIDDLE(MIDDLE), .SERIES(SERIES), .PRIMITIVES(PRIMITIVES)
			) dot(.clk, .en, .a(x[d*SIMD +: SIMD]), .w(v[d*EACH +: EACH]), .y(y[d*EACH +: EACH]));
		end : genPlanes
		else if(CORE == "gates") begin : genGates
			if(WIDEN)  $error("WIDEN=%0d must be 0 for CORE gates.", WIDEN);
			imec_dot_gates #(
				.PE(EACH), .SIMD(SIMD),
				.A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR),
				.DIGITS(DIGITS), .PIPELINE(PIPELINE), .CUTS(CUTS), .HEAP(HEAP), .MIDDLE(MIDDLE), .PRIMITIVES(PRIMITIVES)
			) dot(.clk, .en, .a(a[d*SIMD +: SIMD]), .w(w[d*EACH +: EACH]), .y(y[d*EACH +: EACH]));
		end : genGates
		else if(CORE == "shared") begin : genShared
			if(!W_BIPOLAR || W_BITS != 1 || A_BIPOLAR || DEPTHWISE || DOUBLE)  $error("W_BITS=%0d must be 1 and bipolar, and activations plain, for CORE shared.", W_BITS);
			imec_dot_shared #(
				.PE(PE), .SIMD(SIMD), .A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .CENTRED(CENTRED), .PIPELINE(PIPELINE)
			) dot(.clk, .en, .a, .w, .y);
		end : genShared
		else begin : genProduct
			imec_dot_product #(
				.PE(EACH), .SIMD(SIMD),
				.A_BITS(X_BITS), .A_SIGNED(A_SIGNED || WIDE_A), .W_BITS(V_BITS), .W_SIGNED(W_SIGNED || WIDE_W), .PIPELINE(PIPELINE)
			) dot(.clk, .en, .a(x[d*SIMD +: SIMD]), .w(v[d*EACH +: EACH]), .y(y[d*EACH +: EACH]));
		end : genProduct
	end : genDot

	for(genvar  p = 0; p < (CORE == "shared" || PAIRS? 0 : PE); p++) begin : genPE
		uwire [Y_BITS-1:0]  dot = y[p];
		logic [ACC_BITS-1:0]  Acc;
		uwire [ACC_BITS-1:0]  sum = (ACC_BITS'(signed'({ CORE == "product" && dot[Y_BITS-1], dot })) << DOUBLE) + (first? start[p] : Acc);
		always_ff @(posedge clk)  if(en && vld)  Acc <= sum;
		assign	acc[p] = Acc;
	end : genPE

	for(genvar  p = 0; p < (CORE == "shared"? PE : 0); p++) begin : genShared
		uwire  negate = y[p][Y_BITS-1];
		uwire [Y_BITS-2:0]  dot = y[p][Y_BITS-2:0];
		imec_add_subtract #(.D_BITS(Y_BITS-1), .BITS(ACC_BITS), .PRIMITIVES(PRIMITIVES)) accumulator(
			.clk, .en(en && vld), .first, .start(start[p]), .negate, .d(dot), .acc(acc[p])
		);
	end : genShared

endmodule : imec_mac
