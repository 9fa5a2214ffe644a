// imec_gearbox: words in, READS to a fold; { weight_addr, last, first, channels } of each cycle out.
module imec_gearbox_tb #(
	int unsigned  WORD,
	int unsigned  SIMD,
	int unsigned  BITS,
	int unsigned  WEIGHTS,
	int unsigned  MEMORY,
	int unsigned  READS,
	localparam int unsigned  WEIGHT_BITS = $clog2(WEIGHTS),
	localparam int unsigned  FLAGS = WEIGHT_BITS + 2
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WORD*BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [SIMD*BITS+FLAGS-1:0]  out0_V_TDATA
);
	uwire  go, step, rvld, rfirst, rlast;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	logic [MEMORY-1:0]  Vld = 0;
	uwire  en = !Vld[MEMORY-1] || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= MEMORY'({ Vld, rvld });
	end
	assign	out0_V_TVALID = Vld[MEMORY-1];
	imec_delay #(.WIDTH(FLAGS), .STEPS(MEMORY)) flags(
		.clk(ap_clk), .en, .d({ weight_addr, rlast, rfirst }), .q(out0_V_TDATA[SIMD*BITS +: FLAGS])
	);

	localparam int unsigned  READ_BITS = READS > 1? $clog2(READS) : 1;
	uwire  read = en && go && in0_V_TVALID;
	uwire  last;
	uwire [READ_BITS-1:0]  left;
	uwire [WORD*BITS-1:0]  word;
	imec_counter #(.N(READS)) reads(.clk(ap_clk), .rst(!ap_rst_n), .en(read), .left, .last);
	imec_delay #(.WIDTH(WORD*BITS), .STEPS(MEMORY)) memory(.clk(ap_clk), .en, .d(in0_V_TDATA), .q(word));
	assign	in0_V_TREADY = en && go;

	imec_gearbox #(.WORD(WORD), .SIMD(SIMD), .BITS(BITS), .WEIGHTS(WEIGHTS), .MEMORY(MEMORY)) dut(
		.clk(ap_clk), .rst(!ap_rst_n), .en, .moves(en),
		.wvld(1'b1), .go, .read, .read_first(left == READ_BITS'(READS-1)), .read_last(last), .word,
		.step, .rvld, .rfirst, .rlast, .weight_addr, .q(out0_V_TDATA[SIMD*BITS-1:0])
	);

endmodule : imec_gearbox_tb
