// imec_add_subtract as a stream: { d, negate, start, first } in, what was accumulated out, a word late.
module imec_add_subtract_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  D_BITS,
	int unsigned  BITS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [BITS+D_BITS+1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [BITS-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	uwire  first, negate;
	uwire [BITS-1:0]  start;
	uwire [D_BITS-1:0]  d;
	assign	{ d, negate, start, first } = in0_V_TDATA;
	imec_add_subtract #(.PRIMITIVES(PRIMITIVES), .D_BITS(D_BITS), .BITS(BITS)) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY), .first, .start, .negate, .d, .acc(out0_V_TDATA)
	);

endmodule : imec_add_subtract_tb
