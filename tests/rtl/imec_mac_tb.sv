// imec_mac as a stream: { start, w, a, last, first } in, acc of all PE out after a fold's last word.
// Weights are delayed as imec_dot_dsp's header asks.
module imec_mac_tb import imec_pkg::*; #(
	int unsigned  PRIMITIVES = 0,
	parameter string  CORE,
	int unsigned  PE,
	int unsigned  SIMD,
	bit  DEPTHWISE,
	int unsigned  A_BITS,
	bit  A_SIGNED,
	bit  A_BIPOLAR,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	bit  W_BIPOLAR,
	bit  WIDEN,
	int unsigned  ACC_BITS,
	bit  DOUBLE,
	int unsigned  PIPELINE,
	int unsigned  DIGITS = W_BITS,
	int unsigned  CUTS = 0,
	bit  HEAP = 0,
	int unsigned  MIDDLE = 6,
	int unsigned  SERIES = 0,
	int unsigned  FIELDS = 1,
	int unsigned  SPACING = 1,
	int unsigned  FIELD_BITS = 1,
	int unsigned  CHAINS = SIMD,
	logic [47:0]  CHAIN_BIAS = 0,
	bit  CENTRED = 0,
	int unsigned  LANES = 1,
	int unsigned  DSP_VERSION = 1,
	bit  PAIRS = 0,
	logic [ACC_BITS-1:0]  START = '0,
	localparam int unsigned  WORD = DEPTHWISE? PE : SIMD
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [PE*ACC_BITS + PE*SIMD*W_BITS + WORD*A_BITS + 1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [PE*ACC_BITS-1:0]  out0_V_TDATA
);
	uwire  first, last;
	uwire [WORD-1:0][A_BITS-1:0]  a;
	uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  w;
	uwire [PE-1:0][ACC_BITS-1:0]  start;
	assign	{ start, w, a, last, first } = in0_V_TDATA;

	localparam int unsigned  STEPS = mac_steps(CORE == "dsp", SIMD, CHAINS, LANES, PIPELINE);
	logic [STEPS:0]  Vld = 0;	// one more than the steps, of which there may be none
	logic  OVld = 0;
	uwire  en = !OVld || out0_V_TREADY;
	uwire [STEPS:0]  vlds = (STEPS+1)'({ Vld, in0_V_TVALID });
	uwire  vld = vlds[STEPS];
	uwire  mac_first, mac_last;
	uwire [PE-1:0][ACC_BITS-1:0]  mac_start;
	imec_delay #(.WIDTH(PE*ACC_BITS + 2), .STEPS(STEPS)) along(
		.clk(ap_clk), .en, .d({ start, last, first }), .q({ mac_start, mac_last, mac_first })
	);
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  { Vld, OVld } <= '0;
		else if(en) begin
			Vld  <= vlds;
			OVld <= vld && mac_last;
		end
	end
	assign	in0_V_TREADY = en;
	assign	out0_V_TVALID = OVld;

	uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  late;
	for(genvar  p = 0; p < PE; p++) begin : genChannel
		for(genvar  l = 0; l < SIMD; l++) begin : genLane
			imec_delay #(.WIDTH(W_BITS), .STEPS(weight_delay(SIMD, CHAINS*LANES, l))) delay(
				.clk(ap_clk), .en, .d(w[p][l]), .q(late[p][l])
			);
		end : genLane
	end : genChannel

	imec_mac #(
		.PRIMITIVES(PRIMITIVES), .CORE(CORE), .PE(PE), .SIMD(SIMD), .DEPTHWISE(DEPTHWISE),
		.A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .A_BIPOLAR(A_BIPOLAR),
		.W_BITS(W_BITS), .W_SIGNED(W_SIGNED), .W_BIPOLAR(W_BIPOLAR), .WIDEN(WIDEN),
		.ACC_BITS(ACC_BITS), .DOUBLE(DOUBLE), .PIPELINE(PIPELINE), .DIGITS(DIGITS), .CUTS(CUTS), .HEAP(HEAP), .MIDDLE(MIDDLE), .SERIES(SERIES),
		.FIELDS(FIELDS), .SPACING(SPACING), .FIELD_BITS(FIELD_BITS), .CHAINS(CHAINS), .CHAIN_BIAS(CHAIN_BIAS), .CENTRED(CENTRED),
		.LANES(LANES), .DSP_VERSION(DSP_VERSION), .PAIRS(PAIRS), .START(START)
	) dut(.clk(ap_clk), .en, .a, .w(late), .vld, .first(mac_first), .start(mac_start), .acc(out0_V_TDATA));

endmodule : imec_mac_tb
