// imec_sequencer with a memory: line buffer words in; { weight_addr, last, first, word } of each read out.
module imec_sequencer_tb #(
	int unsigned  DEPTH,
	int unsigned  LIVE,
	bit  DUAL_PORT,
	bit  BANKED = 0,
	int unsigned  SKEW = 0,
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
	localparam int unsigned  WIDTH = 16,
	localparam int unsigned  ADDR_BITS = DEPTH > 1? $clog2(DEPTH) : 1,
	localparam int unsigned  WEIGHTS = NF*OUTER*INNER*RUN,
	localparam int unsigned  WEIGHT_BITS = WEIGHTS > 1? $clog2(WEIGHTS) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH+2+WEIGHT_BITS-1:0]  out0_V_TDATA
);
	uwire  rvld, rfirst, rlast;
	logic  Vld = 0;
	uwire  en = !Vld || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= rvld;
	end
	assign	out0_V_TVALID = Vld;

	uwire  strip_we;
	uwire [  ADDR_BITS-1:0]  strip_addr, write_addr;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	imec_sequencer #(
		.DEPTH(DEPTH), .LIVE(LIVE), .DUAL_PORT(DUAL_PORT), .BANKED(BANKED), .SKEW(SKEW),
		.RUN(RUN), .INNER(INNER), .INNER_STEP(INNER_STEP), .OUTER(OUTER), .OUTER_STEP(OUTER_STEP),
		.NF(NF), .FOLD_STEP(FOLD_STEP), .DEPTHWISE(DEPTHWISE), .OW(OW), .OH(OH),
		.ADVANCE_COLUMN(ADVANCE_COLUMN), .ADVANCE_ROW(ADVANCE_ROW), .ADVANCE_FRAME(ADVANCE_FRAME)
	) dut(
		.clk(ap_clk), .rst(!ap_rst_n), .en,
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY),
		.strip_addr, .write_addr, .strip_we, .wvld(1'b1), .weight_addr,
		.rvld, .rfirst, .rlast
	);

	uwire [ADDR_BITS-1:0]  other = write_addr ^ ADDR_BITS'(write_addr[0] == strip_addr[0]);	// the other bank
	logic [WIDTH-1:0]  Mem[DEPTH];
	always_ff @(posedge ap_clk) begin
		if(en) begin
			out0_V_TDATA <= { weight_addr, rlast, rfirst, Mem[strip_addr] };
			if(strip_we)  Mem[BANKED? other : DUAL_PORT? write_addr : strip_addr] <= in0_V_TDATA;
		end
	end

endmodule : imec_sequencer_tb
