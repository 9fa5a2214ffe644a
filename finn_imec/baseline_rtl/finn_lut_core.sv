// Replacement for the LUT multiply-accumulate core that FINN's rtllib used to have.
//
// Not FINN code: finn-plus 1.6.1 ships only DSP cores for its RTL MVU. For resource comparisons, this
// module follows the published structure of the former core: one multiplier per SIMD lane, a product
// register, a binary adder tree, an accumulator. It has the parameters and ports of FINN's `mvu`, so
// that FINN's wrapper (replay buffer, flow control, output queue) takes it unchanged.
//
// Latency: 2 cycles from an input word to the accumulator that contains it.
module finn_lut_core #(
	// "SIGNED":         two's complement weights
	// "BIPOLAR":        1-bit weights, 1 stands for +1 and 0 for -1
	// "BIPOLAR_INPUT":  1-bit activations, coded the same way, two's complement weights
	// "XNOR":           both 1-bit; the accumulator counts the lanes where they are equal
	parameter  PRODUCT = "SIGNED",

	int unsigned  VERSION = 1,	// unused, as are NARROW_WEIGHTS and FORCE_BEHAVIORAL

	int unsigned  PE = 1,
	int unsigned  SIMD = 1,
	int unsigned  WEIGHT_WIDTH = 1,
	int unsigned  ACTIVATION_WIDTH = 1,
	int unsigned  ACCU_WIDTH = 8,

	bit  SIGNED_ACTIVATIONS = 0,
	bit  NARROW_WEIGHTS = 0,
	bit  FORCE_BEHAVIORAL = 0
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  en,

	input	logic  last,	// last word of a dot product
	input	logic  zero,	// no word in this cycle
	input	logic [PE-1:0][SIMD-1:0][WEIGHT_WIDTH    -1:0]  w,
	input	logic         [SIMD-1:0][ACTIVATION_WIDTH-1:0]  a,

	output	logic  vld,
	output	logic [PE-1:0][ACCU_WIDTH-1:0]  p
);
	localparam bit  XNOR = PRODUCT == "XNOR";
	localparam int unsigned  PRODUCT_WIDTH = XNOR? 1 : WEIGHT_WIDTH + ACTIVATION_WIDTH;
	localparam int unsigned  LEVELS = $clog2(SIMD);

	logic  Valid1 = 0;
	logic  Last1 = 0;
	logic  Valid2 = 0;
	logic  Clear = 1;	// next word starts a new dot product
	always_ff @(posedge clk) begin
		if(rst) begin
			Valid1 <= 0;
			Last1  <= 0;
			Valid2 <= 0;
			Clear  <= 1;
		end
		else if(en) begin
			Valid1 <= !zero;
			Last1  <= last && !zero;
			Valid2 <= Last1;
			if(Valid1)  Clear <= Last1;
		end
	end
	assign	vld = Valid2;

	for(genvar  pe = 0; pe < PE; pe++) begin : genPE

		// Multiplier and product register of each lane
		logic [PRODUCT_WIDTH-1:0]  Product[SIMD];
		for(genvar  s = 0; s < SIMD; s++) begin : genLane
			uwire signed [ACTIVATION_WIDTH:0]  act =
				{ SIGNED_ACTIVATIONS && a[s][ACTIVATION_WIDTH-1], a[s] };
			uwire signed [WEIGHT_WIDTH-1:0]  weight = w[pe][s];
			uwire signed [PRODUCT_WIDTH-1:0]  product;
			if(XNOR)                             assign  product = a[s] ~^ w[pe][s];
			else if(PRODUCT == "BIPOLAR")        assign  product = w[pe][s][0]? act : -act;
			else if(PRODUCT == "BIPOLAR_INPUT")  assign  product = a[s][0]? weight : -weight;
			else                                 assign  product = weight * act;
			always_ff @(posedge clk) begin
				if(en)  Product[s] <= product;
			end
		end : genLane

		// Binary adder tree, one bit wider at each level, padded with zeros to a power of two.
		for(genvar  l = 0; l <= LEVELS; l++) begin : genLevel
			localparam int unsigned  WIDTH = PRODUCT_WIDTH + l;
			localparam int unsigned  NODES = 2**(LEVELS - l);
			uwire [WIDTH-1:0]  sum[NODES];
			for(genvar  i = 0; i < NODES; i++) begin : genNode
				if(l > 0) begin : genAdd
					uwire [WIDTH-2:0]  x = genLevel[l-1].sum[2*i];
					uwire [WIDTH-2:0]  y = genLevel[l-1].sum[2*i+1];
					assign	sum[i] = { !XNOR && x[WIDTH-2], x } + { !XNOR && y[WIDTH-2], y };
				end : genAdd
				else if(i < SIMD)  assign  sum[i] = Product[i];
				else               assign  sum[i] = '0;
			end : genNode
		end : genLevel

		uwire [PRODUCT_WIDTH+LEVELS-1:0]  total = genLevel[LEVELS].sum[0];
		uwire signed [ACCU_WIDTH-1:0]  addend = XNOR? ACCU_WIDTH'(total) : ACCU_WIDTH'($signed(total));
		logic signed [ACCU_WIDTH-1:0]  Accu;
		always_ff @(posedge clk) begin
			if(en && Valid1)  Accu <= addend + (Clear? 0 : Accu);
		end
		assign	p[pe] = Accu;

	end : genPE

endmodule : finn_lut_core
