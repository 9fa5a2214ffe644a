// imec_ring as a stream: { sel, clear, en } in, addr before that step out.
module imec_ring_tb #(
	int unsigned  DEPTH,
	int unsigned  STEPS,
	bit [STEPS-1:0][31:0]  STEP,
	localparam int unsigned  BITS = DEPTH > 1? $clog2(DEPTH) : 1,
	localparam int unsigned  SEL_BITS = STEPS > 1? $clog2(STEPS) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [SEL_BITS+2-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [BITS-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	uwire  move = in0_V_TVALID && in0_V_TREADY;
	imec_ring #(.DEPTH(DEPTH), .STEPS(STEPS), .STEP(STEP)) dut(
		.clk(ap_clk), .rst(!ap_rst_n || (move && in0_V_TDATA[1])), .en(move && in0_V_TDATA[0]),
		.sel(in0_V_TDATA[2 +: SEL_BITS]), .addr(out0_V_TDATA)
	);

endmodule : imec_ring_tb
