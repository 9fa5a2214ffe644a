// imec_threshold_stages as a stream: { acc, fold } in, y out.
module imec_threshold_stages_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  PE,
	int unsigned  NF,
	int unsigned  STEPS,
	int unsigned  ACC_BITS,
	int unsigned  O_BITS,
	int           BIAS,
	int unsigned  ROWS,
	logic [ROWS-1:0][PE*ACC_BITS-1:0]  TABLE,
	localparam int unsigned  FOLD_BITS = NF > 1? $clog2(NF) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [PE*ACC_BITS+FOLD_BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [PE*O_BITS-1:0]  out0_V_TDATA
);
	imec_threshold_stages #(
		.PRIMITIVES(PRIMITIVES), .PE(PE), .NF(NF), .STEPS(STEPS), .ACC_BITS(ACC_BITS), .O_BITS(O_BITS), .BIAS(BIAS),
		.ROWS(ROWS), .TABLE(TABLE)
	) dut(
		.clk(ap_clk), .rst(!ap_rst_n),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .next_irdy(),
		.fold(in0_V_TDATA[0 +: FOLD_BITS]), .acc(in0_V_TDATA[FOLD_BITS +: PE*ACC_BITS]),
		.ovld(out0_V_TVALID), .ordy(out0_V_TREADY), .next_ordy(1'b0), .y(out0_V_TDATA)
	);

endmodule : imec_threshold_stages_tb
