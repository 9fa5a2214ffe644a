// imec_tree as a stream: d in, y out, a word late for each register.
module imec_tree_tb import imec_pkg::*; #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N,
	int unsigned  MAX,
	int unsigned  SHIFT,
	int unsigned  CUTS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N*$clog2(MAX + 1)-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [$clog2(tree_max(N, MAX, SHIFT) + 1)-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_tree #(.PRIMITIVES(PRIMITIVES), .N(N), .MAX(MAX), .SHIFT(SHIFT), .CUTS(CUTS)) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY), .d(in0_V_TDATA), .y(out0_V_TDATA)
	);

endmodule : imec_tree_tb
