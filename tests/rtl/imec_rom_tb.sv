// imec_rom as a stream: addr in, q out.
module imec_rom_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  DEPTH,
	int unsigned  WIDTH,
	parameter string  LAYOUT = "plain",
	parameter     INIT_FILE = "",
	parameter     LEFT_FILE = "",
	parameter     REST_FILE = "",
	int unsigned  SPLIT_COUNT = 1,
	parameter     SPLIT0_FILE = "", SPLIT1_FILE = "", SPLIT2_FILE = "", SPLIT3_FILE = "",
	int unsigned  BANK = 2048,
	int unsigned  ROWS = 1,
	int unsigned  TABLE_WIDTH = WIDTH,
	int unsigned  TABLE_LSB = 0,
	logic [ROWS-1:0][TABLE_WIDTH-1:0]  TABLE = '0,
	parameter     RAM_STYLE = "auto",
	int unsigned  STEPS = 1,
	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	logic [STEPS:0]  Vld = 0;
	logic [BITS-1:0]  Addr;
	uwire  en = !Vld[STEPS] || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= (STEPS+1)'({ Vld, in0_V_TVALID });
		if(en && in0_V_TVALID)  Addr <= in0_V_TDATA;
	end
	assign	out0_V_TVALID = Vld[STEPS];
	assign	in0_V_TREADY = en;

	localparam int unsigned  NAME_BITS = $bits(SPLIT0_FILE);
	localparam logic [SPLIT_COUNT*NAME_BITS-1:0]  FILES =
		(SPLIT_COUNT*NAME_BITS)'({ SPLIT3_FILE, SPLIT2_FILE, SPLIT1_FILE, SPLIT0_FILE });	// the first ones
	imec_rom #(
		.PRIMITIVES(PRIMITIVES), .DEPTH(DEPTH), .WIDTH(WIDTH), .LAYOUT(LAYOUT), .INIT_FILE(INIT_FILE), .LEFT_FILE(LEFT_FILE), .REST_FILE(REST_FILE), .SPLIT_FILES(FILES), .BANK(BANK),
		.ROWS(ROWS), .TABLE_WIDTH(TABLE_WIDTH), .TABLE_LSB(TABLE_LSB), .TABLE(TABLE), .RAM_STYLE(RAM_STYLE), .STEPS(STEPS)
	) dut(
		.clk(ap_clk), .en, .addr(Addr), .step(en && in0_V_TVALID), .ahead(in0_V_TDATA), .q(out0_V_TDATA)
	);

endmodule : imec_rom_tb
