// imec_compress as a stream: d in, y out, one word late if PIPELINED.
module imec_compress_tb import imec_pkg::*; #(
	int unsigned  COLS,
	heights_t  HEIGHT,
	bit  PIPELINED = 0
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

	imec_compress #(.COLS(COLS), .HEIGHT(HEIGHT), .PIPELINED(PIPELINED)) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY), .d(in0_V_TDATA), .y(out0_V_TDATA)
	);

endmodule : imec_compress_tb
