/****************************************************************************
 * @brief	Proof of imec_window against the definition of a sliding window.
 *
 * @description
 *	Pixels carry their position: frame, row, column. What each read must return
 *	follows from the layer alone. Reset, enable, input valid and weight valid are
 *	free in every cycle.
 *
 *	A window is identified by the position of its last pixel. Four positions describe
 *	the progress of the unit:
 *
 *	  Pixel    next pixel to arrive
 *	  Column   last pixel of the next column to move into the chain
 *	  Window   next window to be held
 *	  Read     window being read
 *
 *	Frames count modulo 2**FRAME_BITS, more than twice the distance between any two of these.
 ***************************************************************************/
`include "claims.svh"

module imec_window_proof #(
	int unsigned  LEVEL,

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
	bit  BLOCK	// memory for the lines
)(
	input	logic  clk,
	input	logic  rst,
	input	logic  en,
	input	logic  ivld,
	input	logic  wvld
);
	localparam int unsigned  SPAN_H = (K_H-1)*D_H + 1;
	localparam int unsigned  SPAN_W = (K_W-1)*D_W + 1;
	localparam int unsigned  FRAME_BITS  = 1 + $clog2(COLUMNS + WINDOWS + 3);
	localparam int unsigned  WEIGHT_BITS = SF*NF > 1? $clog2(SF*NF) : 1;

	//-----------------------------------------------------------------------
	// Definition
	typedef struct packed {
		logic [FRAME_BITS-1:0]  frame;
		logic [$clog2(H+1)-1:0]  y;
		logic [$clog2(W+1)-1:0]  x;
	} pos_t;
	localparam int unsigned  WIDTH = $bits(pos_t);
	localparam int unsigned  WORD  = K_H*K_W*WIDTH/SF;
	typedef bit [(H > W? H : W)-1:0]  axis_t;
	typedef logic [K_H-1:0][WIDTH-1:0]  column_t;	// top pixel first
	typedef logic [K_H-1:0][K_W-1:0][WIDTH-1:0]  window_t;

	pos_t  Pixel, Column, Window, Read;

	// Where windows end on an axis
	function automatic axis_t ends(input int unsigned  n, input int unsigned  span, input int unsigned  stride);
		ends = '0;
		for(int unsigned  i = span - 1; i < n; i += stride)  ends[i] = 1;
	endfunction : ends
	localparam axis_t  ROWS = ends(H, SPAN_H, S_H);
	localparam axis_t  COLS = ends(W, SPAN_W, S_W);

	function automatic pos_t at(input pos_t  p, input int unsigned  y, input int unsigned  x);
		return  '{ frame: p.frame, y: $bits(p.y)'(y), x: $bits(p.x)'(x) };
	endfunction : at
	function automatic pos_t later(input pos_t  p, input int unsigned  y, input int unsigned  x);
		return  '{ frame: p.frame + 1'b1, y: $bits(p.y)'(y), x: $bits(p.x)'(x) };
	endfunction : later
	function automatic column_t column(input pos_t  p);
		for(int unsigned  k = 0; k < K_H; k++)  column[K_H-1-k] = at(p, p.y - k*D_H, p.x);
	endfunction : column
	function automatic window_t window(input pos_t  p);
		for(int unsigned  i = 0; i < K_H; i++) begin
			for(int unsigned  j = 0; j < K_W; j++)  window[K_H-1-i][K_W-1-j] = at(p, p.y - i*D_H, p.x - j*D_W);
		end
	endfunction : window

	// Next pixel, next column in a row of windows, next window
	function automatic pos_t next_pixel(input pos_t  p);
		return  p.x + 1 < W? at(p, p.y, p.x + 1) : p.y + 1 < H? at(p, p.y + 1, 0) : later(p, 0, 0);
	endfunction : next_pixel
	function automatic pos_t next_row(input pos_t  p, input int unsigned  x);
		return  p.y + S_H < H? at(p, p.y + S_H, x) : later(p, SPAN_H - 1, x);
	endfunction : next_row
	function automatic pos_t next_column(input pos_t  p);
		return  p.x + 1 < W? at(p, p.y, p.x + 1) : next_row(p, 0);
	endfunction : next_column
	function automatic pos_t next_window(input pos_t  p);
		return  p.x + S_W < W? at(p, p.y, p.x + S_W) : next_row(p, SPAN_W - 1);
	endfunction : next_window

	function automatic logic taken(input pos_t  p);	// before Pixel
		automatic logic signed [FRAME_BITS-1:0]  frames = Pixel.frame - p.frame;
		return  frames > 0 || frames == 0 && { Pixel.y, Pixel.x } > { p.y, p.x };
	endfunction : taken

	// First column from a pixel on, first window from a column on
	function automatic pos_t first_column(input pos_t  p);
		first_column = later(p, SPAN_H - 1, 0);
		for(int  y = H - 1; y >= 0; y--) begin
			if(ROWS[y] && p.y <= y)  first_column = at(p, y, p.y == y? 32'(p.x) : 0);
		end
	endfunction : first_column
	function automatic pos_t first_window(input pos_t  p);
		first_window = next_row(p, SPAN_W - 1);
		for(int  x = W - 1; x >= 0; x--) begin
			if(COLS[x] && p.x <= x)  first_window = at(p, p.y, x);
		end
	endfunction : first_window

	//-----------------------------------------------------------------------
	// Unit
	logic [7:0]  Fold, Word;	// being read
	uwire  irdy, rvld, rfirst, rlast;
	uwire [WEIGHT_BITS-1:0]  weight_addr;
	uwire [WORD-1:0]  q;
	imec_window #(
		.WIDTH(WIDTH), .H(H), .W(W), .K_H(K_H), .K_W(K_W), .S_H(S_H), .S_W(S_W), .D_H(D_H), .D_W(D_W),
		.SF(SF), .NF(NF), .COLUMNS(COLUMNS), .WINDOWS(WINDOWS), .RAM_STYLE(BLOCK? "block" : "auto")
	) dut(
		.clk, .rst, .en,
		.ivld, .irdy, .idat(Pixel),
		.wvld, .weight_addr,
		.rvld, .rfirst, .rlast, .q
	);

	uwire  word_end   = Word == SF - 1;
	uwire  window_end = word_end && Fold == NF - 1;
	uwire  complete   = taken(Read);

	// Whether Window can be held now
	uwire  in_queue = first_window(Column) != Window;
	uwire  in_chain = WINDOWS == 0 && Column == Window && (COLUMNS == 0? ivld && Pixel == Column : first_column(Pixel) != Column);
	uwire  offered  = in_queue || in_chain;

	localparam int  LATENCY = COLUMNS + 32'(WINDOWS > 0) + 32'(SF > 1) - 1;
	logic  Ready = 0;	// has been reset
	logic  Valid = 0;	// q
	logic  Refused = 0, Follows = 0;
	logic [WORD-1:0]  Expected;
	logic [$clog2(LATENCY+3)-1:0]  Waited;	// cycles waited, with the window to be read complete
	uwire [SF-1:0][WORD-1:0]  words = window(Read);
	always_ff @(posedge clk) begin
		Refused <= !rst && !irdy && !(dut.hvld && dut.hrdy);
		Follows <= !rst && rvld && window_end && offered;
		if(rst)      Valid <= 0;
		else if(en)  Valid <= rvld;
		if(en)       Expected <= words[Word];
		if(rst) begin
			Ready  <= 1;
			Pixel  <= '0;
			Column <= '{ frame: '0, y: SPAN_H - 1, x: 0 };
			Window <= '{ frame: '0, y: SPAN_H - 1, x: SPAN_W - 1 };
			Read   <= '{ frame: '0, y: SPAN_H - 1, x: SPAN_W - 1 };
			{ Fold, Word, Waited } <= '0;
		end
		else begin
			if(ivld && irdy)            Pixel  <= next_pixel(Pixel);
			if(dut.cvld && dut.crdy)    Column <= next_column(Column);
			if(dut.hvld && dut.hrdy)    Window <= next_window(Window);
			if(rvld && window_end)      Read   <= next_window(Read);
			if(rvld)                    Word   <= word_end? 0 : Word + 1;
			if(rvld && word_end)        Fold   <= window_end? 0 : Fold + 1;
			if(rvld)                            Waited <= '0;
			else if(complete && en && wvld)     Waited <= Waited + 1'b1;
		end
	end

	//-----------------------------------------------------------------------
	// State of the unit as a function of the positions
	pos_t [COLUMNS:0]  column_at;	// by position in the queue
	pos_t [WINDOWS:0]  window_at;
	always_comb begin
		column_at[0] = Column;
		for(int  i = 0; i < COLUMNS; i++)  column_at[i+1] = next_column(column_at[i]);
		window_at[0] = Window;
		for(int  i = 0; i < WINDOWS; i++)  window_at[i+1] = next_window(window_at[i]);
	end

	// Cycles until Read can be read: its columns move into the chain, the window into queue and hold
	logic [7:0]  columns_before;
	always_comb begin
		columns_before = 0;
		for(int  i = COLUMNS; i >= 0; i--)  if(column_at[i] == Read)  columns_before = i;
	end
	uwire [7:0]  cycles =
		Window != Read? 0 : 32'(SF > 1) + (in_queue? 0 : 32'(WINDOWS > 0) + columns_before);

	always_comb begin
		if(Ready) begin
			`LEMMA(1, Pixel.y < H && Pixel.x < W)
			`LEMMA(1, ROWS[Column.y] && Column.y < H && Column.x < W)
			`LEMMA(1, ROWS[Window.y] && Window.y < H && COLS[Window.x] && Window.x < W)
			`LEMMA(1, ROWS[Read.y] && Read.y < H && COLS[Read.x] && Read.x < W)
			`LEMMA(1, Word < SF && Fold < NF)
			`LEMMA(1, dut.words_left == SF - 1 - Word && dut.folds_left == NF - 1 - Fold)
			`LEMMA(1, dut.word_last == (Word == SF - 1) && dut.fold_last == (Fold == NF - 1))
			`LEMMA(1, weight_addr == WEIGHT_BITS'(Fold*SF + Word))
			`LEMMA(1, dut.across.Left == W - 1 - Pixel.x && dut.down.Left == H - 1 - Pixel.y)

			if(complete)  `LEMMA(3, Waited + cycles <= LATENCY)
			if(!complete)  `LEMMA(3, Waited == 0)
		end
	end

	// A counter of imec_axis: positions before the next hit, if there is one
	function automatic logic waits(input axis_t  ends, input int unsigned  n, input int unsigned  i, input int unsigned  left);
		waits = left + i >= n;
		for(int  e = n - 1; e >= 0; e--)  if(ends[e] && i <= e)  waits = left == e - i;
	endfunction : waits
	if(S_W > 1 && S_W <= W - SPAN_W) begin : genAcross
		always_comb  if(Ready)  `LEMMA(1, waits(COLS, W, Pixel.x, dut.across.genStride.Wait))
	end : genAcross
	if(S_H > 1 && S_H <= H - SPAN_H) begin : genDown
		always_comb  if(Ready)  `LEMMA(1, waits(ROWS, H, Pixel.y, dut.down.genStride.Wait))
	end : genDown
	if(COLUMNS > 0) begin : genQueued
		always_comb  if(Ready)  `LEMMA(1, dut.genAtQueue.queued.Left == W - 1 - Column.x)
		if(S_W > 1 && S_W <= W - SPAN_W) begin : genStride
			always_comb  if(Ready)  `LEMMA(1, waits(COLS, W, Column.x, dut.genAtQueue.queued.genStride.Wait))
		end : genStride
	end : genQueued

	// Lines
	function automatic logic is_above(input logic [SPAN_H-2:0][WIDTH-1:0]  above, input pos_t  p);
		is_above = 1;
		for(int  k = 0; k < SPAN_H - 1; k++)  if(p.y > k)  is_above &= above[k] == at(p, p.y - 1 - k, p.x);
	endfunction : is_above
	if(K_H > 1 && W == 1) begin : genRegister
		always_comb  if(Ready)  `LEMMA(2, is_above(dut.genLines.genRegister.Above, Pixel))
	end : genRegister
	else if(K_H > 1) begin : genLines
		for(genvar  x = 0; x < W; x++) begin : genX
			uwire [(SPAN_H-1)*WIDTH-1:0]  above;
			if(BLOCK)  assign  above = dut.genLines.genBlock.Mem[W-1-x];
			else       assign  above = dut.genLines.genDistributed.Mem[W-1-x];
			always_comb  if(Ready)  `LEMMA(2, is_above(above, at(Pixel, Pixel.y + 32'(x < Pixel.x), x)))
		end : genX
		if(BLOCK) begin : genBlock
			always_comb  if(Ready)  `LEMMA(2, is_above(dut.genLines.genBlock.Above, Pixel))
		end : genBlock
	end : genLines

	// Queue of columns
	if(COLUMNS == 0) begin : genNoColumns
		always_comb  if(Ready)  `LEMMA(1, Column == first_column(Pixel))
	end : genNoColumns
	else begin : genColumns
		localparam int unsigned  BITS = $clog2(COLUMNS);
		uwire signed [7:0]  n = 8'(dut.columns.genMemory.Last) + 8'd1;
		uwire [BITS-1:0]  first = dut.columns.genMemory.ReadAddr;
		always_comb begin
			if(Ready) begin
				`LEMMA(1, n >= 0 && n <= COLUMNS && dut.columns.genMemory.WriteAddr == BITS'(first + n))
				`LEMMA(1, column_at[n] == first_column(Pixel))
			end
		end
		for(genvar  i = 0; i < COLUMNS; i++) begin : genPlace
			always_comb  if(Ready && i < n)  `LEMMA(2, dut.columns.genMemory.Mem[BITS'(first + i)] == column(column_at[i]))
		end : genPlace
	end : genColumns

	// Chain
	for(genvar  k = 1; k < K_W; k++) begin : genChain
		for(genvar  i = 0; i < D_W; i++) begin : genStep
			localparam int unsigned  BACK = (k-1)*D_W + i + 1;
			always_comb begin
				if(Ready && Column.x >= BACK)
					`LEMMA(2, dut.genColumn[k].genOlder.delay.genShift.Word[i] == column(at(Column, Column.y, Column.x - BACK)))
			end
		end : genStep
	end : genChain

	// Queue of windows
	if(WINDOWS == 0) begin : genNoWindows
		always_comb  if(Ready)  `LEMMA(1, Window == first_window(Column))
	end : genNoWindows
	else begin : genWindows
		localparam int unsigned  BITS = $clog2(WINDOWS);
		uwire signed [7:0]  n = 8'(dut.windows.genMemory.Last) + 8'd1;
		uwire [BITS-1:0]  first = dut.windows.genMemory.ReadAddr;
		always_comb begin
			if(Ready) begin
				`LEMMA(1, n >= 0 && n <= WINDOWS && dut.windows.genMemory.WriteAddr == BITS'(first + n))
				`LEMMA(1, window_at[n] == first_window(Column))
			end
		end
		for(genvar  i = 0; i < WINDOWS; i++) begin : genPlace
			always_comb  if(Ready && i < n)  `LEMMA(2, dut.windows.genMemory.Mem[BITS'(first + i)] == window(window_at[i]))
		end : genPlace
	end : genWindows

	// Hold
	if(SF == 1) begin : genWhole
		always_comb begin
			if(Ready)  `LEMMA(1, Window == (Fold == 0? Read : next_window(Read)))
			if(Ready && Fold != 0)  `LEMMA(2, dut.Q == window(Read))
		end
	end : genWhole
	else begin : genHold
		always_comb begin
			if(Ready)  `LEMMA(1, Window == (dut.genHold.Full? next_window(Read) : Read))
			if(Ready && !dut.genHold.Full)  `LEMMA(1, Fold == 0 && Word == 0)
			if(Ready && dut.genHold.Full)  `LEMMA(2, dut.genHold.Window == window(Read))
		end
	end : genHold

	//-----------------------------------------------------------------------
	// Properties
	always_comb begin
		if(Ready) begin
			// The words of each window, in order, NF times; stable while the pipeline is stalled
			if(Valid)  `PROPERTY(3, q == Expected)
			if(rvld)   `PROPERTY(3, weight_addr == WEIGHT_BITS'(Fold*SF + Word))
			if(rvld)   `PROPERTY(3, rfirst == (Word == 0) && rlast == word_end)

			// Handshakes
			if(rvld)   `PROPERTY(3, en && wvld)

			// A complete window is read without further input, ...
			if(complete && en && wvld && !rvld)  `PROPERTY(3, int'(Waited) < LATENCY)
			// ... without a gap after the one before, ...
			if((SF > 1? Follows : Fold == 0 && offered) && en && wvld)  `PROPERTY(3, rvld)
			// ... and input waits only while it is there, with as many windows after it as can wait
			if(Refused && !irdy)  `PROPERTY(3, complete || Pixel == Read && !(en && wvld))
			if(Refused && !irdy)  `PROPERTY(3, taken(window_at[WINDOWS]) || Pixel == window_at[WINDOWS])
			// Rows that end no window do not wait
			if(!ROWS[Pixel.y])  `PROPERTY(3, irdy)
		end
	end

endmodule : imec_window_proof
