// imec_compress as a stream: d in, y out, a word late for each register.
module imec_compress_tb import imec_pkg::*; #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  COLS,
	heights_t  HEIGHT,
	int unsigned  CUT = 0,
	bit  ROWS = 0,
	int unsigned  COUNTER = 7
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [bits_below(HEIGHT, COLS)-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [COLS-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_compress #(.PRIMITIVES(PRIMITIVES), .COLS(COLS), .HEIGHT(HEIGHT), .CUT(CUT), .ROWS(ROWS), .COUNTER(COUNTER)) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY), .d(in0_V_TDATA), .y(out0_V_TDATA)
	);

endmodule : imec_compress_tb
