// Small streaming designs, correct and faulty, for the tests of the simulation.

// One-deep register stage; its assertions check the producer that drives it.
module stream_register #(parameter int unsigned W = 8)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,
	input	logic [W-1:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	output	logic [W-1:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	assign	in0_V_TREADY = !out0_V_TVALID || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(in0_V_TREADY)  out0_V_TDATA <= in0_V_TDATA;
		if(!ap_rst_n)  out0_V_TVALID <= 0;
		else if(in0_V_TREADY)  out0_V_TVALID <= in0_V_TVALID;
	end

	logic  rst_n_last = 0;
	logic  pending = 0;
	logic [W-1:0]  offered;
	always_ff @(posedge ap_clk) begin
		rst_n_last <= ap_rst_n;
		pending <= ap_rst_n && in0_V_TVALID && !in0_V_TREADY;
		offered <= in0_V_TDATA;
		assert(!in0_V_TVALID || (ap_rst_n && rst_n_last))  else $error("TVALID in reset");
		assert(!pending || !ap_rst_n || in0_V_TVALID)  else $error("TVALID withdrawn");
		assert(!pending || !ap_rst_n || in0_V_TDATA == offered)  else $error("TDATA changed");
	end
endmodule

// Sum of two streams, without state: all its handshake paths are combinational.
module stream_adder #(parameter int unsigned W = 16)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,
	input	logic [W-1:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [W-1:0]  in1_V_TDATA,
	input	logic  in1_V_TVALID,
	output	logic  in1_V_TREADY,
	output	logic [W:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	assign	out0_V_TDATA = in0_V_TDATA + in1_V_TDATA;
	assign	out0_V_TVALID = in0_V_TVALID && in1_V_TVALID;
	assign	in0_V_TREADY = out0_V_TVALID && out0_V_TREADY;
	assign	in1_V_TREADY = out0_V_TVALID && out0_V_TREADY;
endmodule

// Looks words up in a table read from a file; offset and mask exercise parameters and tied inputs.
module stream_table #(
	parameter  FILE = "table.dat",
	parameter logic [39:0]  OFFSET = 0
)(
	input	logic  clk,
	input	logic  rst_n,
	input	logic [47:0]  mask,
	input	logic [3:0]  s_TDATA,
	input	logic  s_TVALID,
	output	logic  s_TREADY,
	output	logic [47:0]  m_TDATA,
	output	logic  m_TVALID,
	input	logic  m_TREADY
);
	logic [47:0]  Table[16];
	initial  $readmemh(FILE, Table);
	stream_register #(.W(48)) register(
		.ap_clk(clk), .ap_rst_n(rst_n),
		.in0_V_TDATA((Table[s_TDATA] + 48'(OFFSET)) & mask), .in0_V_TVALID(s_TVALID),
		.in0_V_TREADY(s_TREADY),
		.out0_V_TDATA(m_TDATA), .out0_V_TVALID(m_TVALID), .out0_V_TREADY(m_TREADY)
	);
endmodule

// A one-deep stage with the fault that MODE names:
//	"withdraw"  lowers TVALID after one cycle without TREADY, for one cycle
//	"change"    inverts TDATA in every cycle that waits for TREADY
//	"reset"     keeps TVALID through a reset
//	"early"     raises TVALID in the first cycle after a second reset
//	"wait"      raises TVALID only when it sees TREADY
//	"hang"      accepts and returns 5 words, then nothing
//	"repeat"    returns every fourth word twice
//	"late"      samples TDATA one cycle after the handshake
//	"stop"      calls $error on a word of 13
module stream_faulty #(parameter  MODE = "")(
	input	logic  ap_clk,
	input	logic  ap_rst_n,
	input	logic [7:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	output	logic [7:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	logic [7:0]  Data = 0;
	logic  Full = 0;
	logic  Waited = 0;
	logic  Again = 0;
	logic  Late = 0;
	int unsigned  Count = 0;
	int unsigned  Resets = 0;
	logic  RstN = 1;

	uwire  take = in0_V_TVALID && in0_V_TREADY;
	uwire  give = out0_V_TVALID && out0_V_TREADY;
	assign	in0_V_TREADY = !Full && !(MODE == "hang" && Count == 5);
	assign	out0_V_TVALID = Full && !(MODE == "withdraw" && Waited)
		&& !(MODE == "wait" && !out0_V_TREADY)
		|| (MODE == "early" && Resets == 2 && ap_rst_n && !RstN);
	assign	out0_V_TDATA = MODE == "late" && Late? in0_V_TDATA :
		MODE == "change" && Waited? ~Data : Data;

	always_ff @(posedge ap_clk) begin
		if(take)  Data <= in0_V_TDATA;
		Late <= take;
		RstN <= ap_rst_n;
		if(RstN && !ap_rst_n)  Resets <= Resets + 1;
		Waited <= out0_V_TVALID && !out0_V_TREADY;
		Again <= take? 1'b0 : give || Again;
		if(take)  Full <= 1;
		else if(give)  Full <= MODE == "repeat" && Count % 4 == 0 && !Again;
		if(take)  Count <= Count + 1;
		if(!ap_rst_n && MODE != "reset") begin
			Full <= 0;
			Count <= 0;
		end
		if(take && MODE == "stop" && in0_V_TDATA == 13)  $error("unlucky word");
	end
endmodule

// Combines every word with a register that is never initialized.
module stream_powerup(
	input	logic  ap_clk,
	input	logic  ap_rst_n,
	input	logic [31:0]  in0_V_TDATA,
	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	output	logic [31:0]  out0_V_TDATA,
	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY
);
	logic [31:0]  Never;
	always_ff @(posedge ap_clk) begin
		if(Never == 0)  Never <= 1;
	end
	assign	in0_V_TREADY = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;
	assign	out0_V_TDATA = Never ^ in0_V_TDATA;
endmodule
