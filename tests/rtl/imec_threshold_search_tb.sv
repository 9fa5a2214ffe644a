// imec_threshold_search is a stream already: { acc, fold } in, y out. Its next_irdy is checked in every cycle.
module imec_threshold_search_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS,
	int unsigned  ENGINES,
	int unsigned  READ,
	int unsigned  FAST,
	int unsigned  TOP,
	int unsigned  ROWS = 1,
	logic [ROWS-1:0][ENGINES*(TOP > 0? TOP : ACC_BITS)-1:0]  TABLE = '0,
	parameter     INIT_FILE = "", INIT1_FILE = "", INIT2_FILE = "", INIT3_FILE = "",
	parameter     RAM_STYLE,
	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [PE*ACC_BITS+FOLD_BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [PE*O_BITS-1:0]  out0_V_TDATA
);
	localparam int unsigned  NAME_BITS = $bits(INIT_FILE);
	localparam logic [ENGINES*NAME_BITS-1:0]  FILES = { INIT3_FILE, INIT2_FILE, INIT1_FILE, INIT_FILE };	// the first engines'
	uwire  next_irdy;
	imec_threshold_search #(
		.PRIMITIVES(PRIMITIVES), .PE(PE), .NF(NF), .STEPS(STEPS), .ACC_BITS(ACC_BITS), .O_BITS(O_BITS), .BIAS(BIAS),
		.ENGINES(ENGINES), .READ(READ), .FAST(FAST), .TOP(TOP), .ROWS(ROWS), .TABLE(TABLE),
		.INIT_FILES(FILES), .RAM_STYLE(RAM_STYLE)
	) dut(
		.clk(ap_clk), .rst(!ap_rst_n),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .next_irdy,
		.fold(in0_V_TDATA[0 +: FOLD_BITS]), .acc(in0_V_TDATA[FOLD_BITS +: PE*ACC_BITS]),
		.ovld(out0_V_TVALID), .ordy(out0_V_TREADY), .y(out0_V_TDATA)
	);

	logic  Promised = 0, Known = 0;
	always_ff @(posedge ap_clk) begin
		Known    <= ap_rst_n;
		Promised <= next_irdy;
		if(Known && ap_rst_n && in0_V_TREADY != Promised)  $fatal(1, "irdy is not what next_irdy said.");
	end

endmodule : imec_threshold_search_tb
