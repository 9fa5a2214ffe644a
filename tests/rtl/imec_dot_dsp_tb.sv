// imec_dot_dsp as a stream: { w, a } in, y out. Weights are delayed as its header asks.
module imec_dot_dsp_tb import imec_pkg::*; #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  PE,
	int unsigned  SIMD,
	int unsigned  A_BITS,
	bit  A_SIGNED,
	int unsigned  W_BITS,
	bit  W_SIGNED,
	int unsigned  FIELDS,
	int unsigned  SPACING,
	int unsigned  FIELD_BITS,
	int unsigned  CHAINS,
	logic [47:0]  BIAS,
	bit  CENTRED,
	int unsigned  LANES = 1,
	int unsigned  VERSION = 1,
	localparam int unsigned  Y_BITS = FIELD_BITS + $clog2(CHAINS)
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [SIMD*(A_BITS+PE*W_BITS)-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [PE*Y_BITS-1:0]  out0_V_TDATA
);
	localparam int unsigned  STEPS = dsp_steps(SIMD, CHAINS, LANES);
	logic [STEPS-1:0]  Vld = 0;
	uwire  en = !Vld[STEPS-1] || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= STEPS'({ Vld, in0_V_TVALID });
	end
	assign	out0_V_TVALID = Vld[STEPS-1];
	assign	in0_V_TREADY = en;

	uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  w = in0_V_TDATA[SIMD*A_BITS +: PE*SIMD*W_BITS];
	uwire [PE-1:0][SIMD-1:0][W_BITS-1:0]  late;
	for(genvar  p = 0; p < PE; p++) begin : genChannel
		for(genvar  l = 0; l < SIMD; l++) begin : genLane
			imec_delay #(.WIDTH(W_BITS), .STEPS(weight_delay(SIMD, CHAINS*LANES, l))) delay(
				.clk(ap_clk), .en, .d(w[p][l]), .q(late[p][l])
			);
		end : genLane
	end : genChannel

	imec_dot_dsp #(
		.PRIMITIVES(PRIMITIVES), .PE(PE), .SIMD(SIMD), .A_BITS(A_BITS), .A_SIGNED(A_SIGNED), .W_BITS(W_BITS), .W_SIGNED(W_SIGNED),
		.FIELDS(FIELDS), .SPACING(SPACING), .FIELD_BITS(FIELD_BITS), .CHAINS(CHAINS), .BIAS(BIAS), .CENTRED(CENTRED),
		.LANES(LANES), .VERSION(VERSION)
	) dut(
		.clk(ap_clk), .en, .a(in0_V_TDATA[0 +: SIMD*A_BITS]), .w(late), .y(out0_V_TDATA)
	);

endmodule : imec_dot_dsp_tb
