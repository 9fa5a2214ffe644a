// imec_window: pixels in; { weight_addr, last, first, word } of each read out.
module imec_window_tb #(
	int unsigned  WIDTH,
	int unsigned  H,
	int unsigned  W,
	int unsigned  K_H,
	int unsigned  K_W,
	int unsigned  S_H,
	int unsigned  S_W,
	int unsigned  D_H,
	int unsigned  D_W,
	int unsigned  SF,
	int unsigned  NF,
	int unsigned  COLUMNS,
	int unsigned  WINDOWS,
	parameter     RAM_STYLE = "auto",
	localparam int unsigned  WORD = K_H*K_W*WIDTH/SF,
	localparam int unsigned  WEIGHT_BITS = SF*NF > 1? $clog2(SF*NF) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WORD+2+WEIGHT_BITS-1:0]  out0_V_TDATA
);
	uwire  rvld, rfirst, rlast;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	logic  Vld = 0;
	uwire  en = !Vld || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= rvld;
		if(en)  out0_V_TDATA[WORD +: WEIGHT_BITS+2] <= { weight_addr, rlast, rfirst };
	end
	assign	out0_V_TVALID = Vld;

	imec_window #(
		.WIDTH(WIDTH), .H(H), .W(W), .K_H(K_H), .K_W(K_W), .S_H(S_H), .S_W(S_W), .D_H(D_H), .D_W(D_W),
		.SF(SF), .NF(NF), .COLUMNS(COLUMNS), .WINDOWS(WINDOWS), .RAM_STYLE(RAM_STYLE)
	) dut(
		.clk(ap_clk), .rst(!ap_rst_n), .en,
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .idat(in0_V_TDATA),
		.wvld(1'b1), .weight_addr, .rvld, .rfirst, .rlast, .q(out0_V_TDATA[WORD-1:0])
	);

endmodule : imec_window_tb
