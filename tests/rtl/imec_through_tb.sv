// imec_through: words in; { weight_addr, last, first, word } of each read out.
module imec_through_tb #(
	int unsigned  WIDTH,
	int unsigned  FOLD,
	int unsigned  NF,
	int unsigned  STEPS,
	localparam int unsigned  WEIGHT_BITS = FOLD*NF > 1? $clog2(FOLD*NF) : 1
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
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	logic [STEPS-1:0]  Vld = '0;
	uwire  en = !Vld[STEPS-1] || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= '0;
		else if(en)    Vld <= STEPS'({ Vld, rvld });
	end
	assign	out0_V_TVALID = Vld[STEPS-1];

	imec_through #(.WIDTH(WIDTH), .FOLD(FOLD), .NF(NF), .STEPS(STEPS)) dut(
		.clk(ap_clk), .rst(!ap_rst_n), .en, .moves(en),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .idat(in0_V_TDATA),
		.wvld(1'b1), .weight_addr, .rvld, .rfirst, .rlast, .q(out0_V_TDATA[WIDTH-1:0])
	);
	imec_delay #(.WIDTH(WEIGHT_BITS+2), .STEPS(STEPS)) flags(
		.clk(ap_clk), .en, .d({ weight_addr, rlast, rfirst }), .q(out0_V_TDATA[WIDTH +: WEIGHT_BITS+2])
	);

endmodule : imec_through_tb
