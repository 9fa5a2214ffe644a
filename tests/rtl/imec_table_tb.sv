// imec_table as a stream: addr in, q out.
module imec_table_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  ROWS,
	int unsigned  TABLE_WIDTH,
	logic [ROWS-1:0][TABLE_WIDTH-1:0]  TABLE,
	int unsigned  LSB,
	int unsigned  WIDTH,
	localparam int unsigned  BITS = ROWS > 1? $clog2(ROWS) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;
	imec_table #(
		.PRIMITIVES(PRIMITIVES), .ROWS(ROWS), .TABLE_WIDTH(TABLE_WIDTH), .TABLE(TABLE), .LSB(LSB), .WIDTH(WIDTH)
	) dut(.addr(in0_V_TDATA), .q(out0_V_TDATA));

endmodule : imec_table_tb
